"""The use cases of tenants: who is calling, and the tenant's settings."""

import logging
from dataclasses import replace
from uuid import UUID

from domain.concurrency.shared_reads import SharedReads
from domain.errors import UserErrorCode, UserInputError
from domain.tenancy import repository
from domain.tenancy.claims import ClaimedUser
from domain.tenancy.models import Principal, Tenant, TenantAccess
from domain.tenancy.roles import CHANGE_SETTINGS
from domain.tenancy.transactions import Transactions
from domain.tenancy.watchers import Watchers

logger = logging.getLogger(__name__)

RETENTION_DAYS = range(1, 3651)
# Log and remember at most this many names; a directory may have many groups.
_MAX_IGNORED = 1000


class Tenancy:
    """Reads users with their roles, and changes a tenant's settings."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._ignored: set[str] = set()
        self._added: set[UUID] = set()
        self._principals = SharedReads(self._read_principal)
        self._claimed_principals = SharedReads(self._read_claimed_principal)
        self.watchers = Watchers(transactions)

    async def principal(self, user_id: UUID, *, max_age: float = 0.0) -> Principal | None:
        """Return the user with the current roles, or with those of up to `max_age` seconds ago.

        None for an unknown user.
        """
        return await self._principals.get(user_id, max_age=max_age)

    async def _read_principal(self, user_id: UUID) -> Principal | None:
        return await self._transactions.read_own(repository.principal, user_id)

    async def claimed_principal(
        self, user: ClaimedUser, *, max_age: float = 0.0
    ) -> tuple[Principal, bool]:
        """Return the user with the roles that the token claims, and whether the user is new.

        Name and e-mail follow the token. Unknown tenants and roles are ignored. The tenants were
        read now, or up to `max_age` seconds ago.
        """
        principal = await self._claimed_principals.get(user, max_age=max_age)
        # Only one of the callers that share the read reports the user as new.
        is_new = user.id in self._added
        self._added.discard(user.id)
        return principal, is_new

    async def _read_claimed_principal(self, user: ClaimedUser) -> Principal:
        roles = user.roles
        async with self._transactions.installation(user.id) as session:
            principal = await repository.claimed_principal(session, user.id, roles)
            if principal is None:
                if await repository.add_claimed_user(session, user):
                    self._added.add(user.id)
                principal = await repository.claimed_principal(session, user.id, roles)
            elif not user.matches(principal):
                await repository.update_claimed_user(session, user)
                principal = await repository.claimed_principal(session, user.id, roles)
        assert principal is not None, "a user who was just added is there"
        self._log_ignored(user, principal)
        return principal

    def _log_ignored(self, user: ClaimedUser, principal: Principal) -> None:
        """Log each ignored name once per process."""
        taken = {access.tenant.slug for access in principal.accesses.values()}
        ignored = {f"{slug}:{role}" for slug, role in user.memberships if slug not in taken}
        if (new := ignored - self._ignored) and len(self._ignored) < _MAX_IGNORED:
            self._ignored |= new
            logger.info("Tokens claim unknown tenants or roles: %s", ", ".join(sorted(new)))

    async def set_retention(self, access: TenantAccess, days: int) -> Tenant:
        """Set the number of days for which finished runs are kept (R8).

        Raises:
            ForbiddenError, UserInputError (INVALID_RETENTION).
        """
        access.require(CHANGE_SETTINGS)
        if days not in RETENTION_DAYS:
            raise UserInputError(
                UserErrorCode.INVALID_RETENTION,
                f"Keep runs for {RETENTION_DAYS[0]} to {RETENTION_DAYS[-1]} days.",
                "days",
            )
        async with self._transactions.member(access, CHANGE_SETTINGS) as session:
            await repository.set_retention(session, days)
        return replace(access.tenant, retention_days=days)
