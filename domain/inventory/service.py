"""The use cases around a tenant's inventory."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from domain.errors import UserErrorCode, UserInputError
from domain.inventory import repository
from domain.inventory.models import ACTION, RESOURCE, RUN_TYPE, InventoryScope, Policy, SyncOrder
from domain.inventory.scopes import normal_scope_key, valid_scope_key
from domain.runs.models import StartedRun
from domain.runs.starting import RunStarter
from domain.tenancy.models import TenantAccess
from domain.tenancy.roles import VIEW, start_permission
from domain.tenancy.transactions import Transactions


def require_scope_key(key: str) -> str:
    """Return the key as scopes are stored; raise UserInputError unless it can be a scope's."""
    normal = normal_scope_key(key)
    if not valid_scope_key(normal):
        raise UserInputError(
            UserErrorCode.INVALID_SCOPE_KEY,
            "A scope key is 1 to 100 letters, digits, dots, dashes, underscores or inner spaces,"
            " and starts with no dot.",
            "scopeKey",
        )
    return normal


class Inventory:
    """Start syncs and read what they brought."""

    def __init__(self, transactions: Transactions, starter: RunStarter) -> None:
        self._transactions = transactions
        self._starter = starter

    async def start_sync(
        self, access: TenantAccess, scope_key: str, *, allow_empty: bool = False
    ) -> StartedRun:
        """Start `inventory.sync` of a scope that was seen at the provider.

        With `allow_empty`, a scope that had policies may have none now.

        Raises:
            ForbiddenError, UserInputError (INVALID_SCOPE_KEY, UNKNOWN_SCOPE: no run was started).
        """
        access.require(start_permission(RUN_TYPE))
        key = require_scope_key(scope_key)
        async with self._transactions.member(access, VIEW) as connection:
            known = await repository.scope_exists(connection, access.tenant_id, key)
        if not known:
            raise UserInputError(
                UserErrorCode.UNKNOWN_SCOPE,
                f"There is no scope {key!r}. `inventoryScopes` lists those there are; a new one is"
                " listed within seconds.",
                "scopeKey",
            )
        return await self._starter.start(
            access,
            resource=RESOURCE,
            action=ACTION,
            subject=key,
            context=SyncOrder(key, allow_empty).context,
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
            key = normal_scope_key(scope_key)
            runs = await repository.snapshot_runs(connection, access.tenant_id, key, 1)
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
