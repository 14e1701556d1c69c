"""The use cases around tenants: who is calling, and what an owner may set."""

from uuid import UUID

from domain.errors import UserErrorCode, UserInputError
from domain.tenancy import repository
from domain.tenancy.models import Principal, Tenant, TenantAccess
from domain.tenancy.roles import CHANGE_SETTINGS
from domain.tenancy.transactions import Transactions

RETENTION_DAYS = range(1, 3651)


class Tenancy:
    """Knows members and their roles."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def principal(self, user_id: UUID) -> Principal | None:
        """Return the user with the roles of this moment; None for a user nobody added."""
        async with self._transactions.open(None, user_id) as connection:
            return await repository.principal(connection, user_id)

    async def set_retention(self, access: TenantAccess, days: int) -> Tenant:
        """Set for how many days finished runs are kept (R8).

        Raises:
            ForbiddenError, UserInputError (INVALID_RETENTION).
        """
        access.require(CHANGE_SETTINGS)
        if days not in RETENTION_DAYS:
            raise UserInputError(
                UserErrorCode.INVALID_RETENTION,
                f"Keep runs for {RETENTION_DAYS[0]} to {RETENTION_DAYS[-1]} days.",
                "retentionDays",
            )
        async with self._transactions.member(access, CHANGE_SETTINGS) as connection:
            await repository.set_retention(connection, access.tenant_id, days)
        return Tenant(access.tenant_id, access.tenant.slug, access.tenant.name, days)
