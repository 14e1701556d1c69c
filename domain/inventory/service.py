"""The use cases around a tenant's inventory."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from domain.errors import UserErrorCode, UserInputError
from domain.inventory import repository
from domain.inventory.models import ACTION, RESOURCE, RUN_TYPE, InventoryScope, Policy
from domain.inventory.scopes import valid_scope_key
from domain.runs.models import StartedRun
from domain.runs.starting import RunStarter
from domain.tenancy.models import TenantAccess
from domain.tenancy.roles import VIEW, start_permission
from domain.tenancy.transactions import Transactions


def require_scope_key(key: str) -> None:
    """Raise UserInputError unless `key` can be a scope's."""
    if not valid_scope_key(key):
        raise UserInputError(
            UserErrorCode.INVALID_SCOPE_KEY,
            "A scope key is 1 to 100 letters, digits, dots, dashes, underscores or inner spaces,"
            " and starts with no dot.",
            "scopeKey",
        )


class Inventory:
    """Start syncs and read what they brought."""

    def __init__(self, transactions: Transactions, starter: RunStarter) -> None:
        self._transactions = transactions
        self._starter = starter

    async def start_sync(self, access: TenantAccess, scope_key: str) -> StartedRun:
        """Start `inventory.sync` of a scope; whether the scope exists, the run will tell.

        Raises:
            ForbiddenError, UserInputError (INVALID_SCOPE_KEY).
        """
        access.require(start_permission(RUN_TYPE))
        require_scope_key(scope_key)
        return await self._starter.start(
            access,
            resource=RESOURCE,
            action=ACTION,
            subject=scope_key,
            context={"scopeKey": scope_key},
        )

    async def scopes(self, access: TenantAccess) -> Sequence[InventoryScope]:
        """Return the scopes that were seen at the provider."""
        async with self._transactions.member(access, VIEW) as connection:
            return await repository.scopes(connection, access.tenant_id)

    async def policies(
        self, access: TenantAccess, scope_key: str, *, after: tuple[str, str] | None, limit: int
    ) -> Sequence[Policy]:
        """Return a page of the scope's current snapshot; empty before the first whole sync."""
        async with self._transactions.member(access, VIEW) as connection:
            runs = await repository.snapshot_runs(connection, access.tenant_id, scope_key, 1)
            if not runs:
                return ()
            return await repository.page(
                connection, access.tenant_id, runs[0], after=after, limit=limit
            )

    async def policies_by_key(
        self, access: TenantAccess, keys: Sequence[tuple[str, str]]
    ) -> Mapping[tuple[str, str], Policy]:
        """Return policies by (scope key, policy id) as they are in the current snapshots."""
        async with self._transactions.member(access, VIEW) as connection:
            return await repository.current_policies(connection, access.tenant_id, keys)

    async def policy_counts(
        self, access: TenantAccess, run_ids: Sequence[UUID]
    ) -> Mapping[UUID, int]:
        """Return how many policies each sync stored."""
        async with self._transactions.member(access, VIEW) as connection:
            return await repository.policy_counts(connection, access.tenant_id, run_ids)
