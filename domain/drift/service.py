"""The use cases around drift (P2)."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from domain.drift import repository
from domain.drift.models import (
    ACTION,
    RESOURCE,
    RUN_TYPE,
    Comparison,
    DriftFinding,
    DriftKind,
)
from domain.errors import UserErrorCode, UserInputError
from domain.inventory.repository import snapshot_runs
from domain.inventory.service import require_scope_key
from domain.runs.models import StartedRun
from domain.runs.starting import RunStarter
from domain.tenancy.models import TenantAccess
from domain.tenancy.roles import VIEW, start_permission
from domain.tenancy.transactions import Transactions


class Drift:
    """Start comparisons and read their findings."""

    def __init__(self, transactions: Transactions, starter: RunStarter) -> None:
        self._transactions = transactions
        self._starter = starter

    async def start_generation(self, access: TenantAccess, scope_key: str) -> StartedRun:
        """Start `drift.generate` over the scope's last two whole snapshots.

        Raises:
            ForbiddenError, UserInputError (INVALID_SCOPE_KEY, NOT_ENOUGH_SNAPSHOTS: no run
            was started).
        """
        access.require(start_permission(RUN_TYPE))
        key = require_scope_key(scope_key)
        async with self._transactions.member(access, VIEW) as connection:
            runs = await snapshot_runs(connection, access.tenant_id, key, 2)
        if len(runs) < 2:
            raise UserInputError(
                UserErrorCode.NOT_ENOUGH_SNAPSHOTS,
                f"Drift compares the last two inventory syncs that succeeded as a whole;"
                f" {key!r} has {len(runs)}. Sync the scope until it has two.",
                "scopeKey",
            )
        current, baseline = runs
        return await self._starter.start(
            access,
            resource=RESOURCE,
            action=ACTION,
            subject=key,
            context=Comparison(key, baseline, current).context,
        )

    async def findings(
        self,
        access: TenantAccess,
        comparisons: Sequence[Comparison],
        *,
        kinds: frozenset[DriftKind],
        after: tuple[str, UUID] | None,
        limit: int,
    ) -> Mapping[Comparison, Sequence[DriftFinding]]:
        """Return a page of the findings of each comparison."""
        async with self._transactions.member(access, VIEW) as connection:
            return await repository.pages(
                connection, access.tenant_id, comparisons, kinds=kinds, after=after, limit=limit
            )

    async def by_ids(
        self, access: TenantAccess, ids: Sequence[UUID]
    ) -> Mapping[UUID, DriftFinding]:
        """Return those of the findings that exist."""
        async with self._transactions.member(access, VIEW) as connection:
            found = await repository.by_ids(connection, access.tenant_id, ids)
        return {finding.id: finding for finding in found}

    async def counts(
        self, access: TenantAccess, comparisons: Sequence[Comparison]
    ) -> Mapping[Comparison, Mapping[DriftKind, int]]:
        """Return the number of findings of each comparison by kind."""
        async with self._transactions.member(access, VIEW) as connection:
            return await repository.counts(connection, access.tenant_id, comparisons)
