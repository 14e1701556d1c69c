"""What a member may read about runs: each use case is one short transaction."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from domain.runs.failures import FailureReason, RunFailure
from domain.runs.feed import FeedCursor
from domain.runs.models import (
    FailureGroup,
    OperationRun,
    RunEvent,
    RunFacets,
    RunFilter,
    SkippedItem,
)
from domain.runs.repository import feed, reading
from domain.runs.repository.facets import facets
from domain.runs.repository.reading import Keyset
from domain.runs.repository.rows import UnreadableEventError
from domain.tenancy.models import TenantAccess
from domain.tenancy.roles import VIEW
from domain.tenancy.transactions import Transactions

MISSED_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Runs as of one moment, and the cursor from which to follow on."""

    cursor: FeedCursor
    runs: Sequence[OperationRun]


@dataclass(frozen=True, slots=True)
class ResumedRun:
    """A run as of one moment, the cursor of that moment, and the events a follower missed.

    `missed` is None when the follower's cursor is of no use, too many events lie behind it, or
    one of them cannot be read: then only the run itself tells the truth.
    """

    cursor: FeedCursor
    run: OperationRun
    missed: Sequence[RunEvent] | None


class RunQueries:
    """Reads of the ledger on behalf of a member of the tenant."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def page(
        self, access: TenantAccess, wanted: RunFilter, keyset: Keyset
    ) -> Sequence[OperationRun]:
        """Return one page of the list."""
        async with self._transactions.member(access, VIEW) as connection:
            return await reading.page(connection, access.tenant_id, wanted, keyset)

    async def by_ids(
        self, access: TenantAccess, run_ids: Sequence[UUID]
    ) -> Mapping[UUID, OperationRun]:
        """Return those of the runs that exist."""
        async with self._transactions.member(access, VIEW) as connection:
            runs = await reading.by_ids(connection, access.tenant_id, run_ids)
        return {run.id: run for run in runs}

    async def facets(self, access: TenantAccess, wanted: RunFilter) -> RunFacets:
        """Return the counts for a filter bar (H4)."""
        async with self._transactions.member(access, VIEW) as connection:
            return await facets(connection, access.tenant_id, wanted)

    async def failures(
        self,
        access: TenantAccess,
        run_ids: Sequence[UUID],
        *,
        after: str | None,
        reasons: frozenset[FailureReason],
        limit: int,
    ) -> Mapping[UUID, Sequence[RunFailure]]:
        """Return a page of the failures of each run."""
        async with self._transactions.member(access, VIEW) as connection:
            return await reading.failures(
                connection, access.tenant_id, run_ids, after=after, reasons=reasons, limit=limit
            )

    async def skipped(
        self, access: TenantAccess, run_ids: Sequence[UUID], *, after: str | None, limit: int
    ) -> Mapping[UUID, Sequence[SkippedItem]]:
        """Return a page of the skipped items of each run."""
        async with self._transactions.member(access, VIEW) as connection:
            return await reading.skipped(
                connection, access.tenant_id, run_ids, after=after, limit=limit
            )

    async def failure_groups(
        self, access: TenantAccess, run_ids: Sequence[UUID]
    ) -> Mapping[UUID, Sequence[FailureGroup]]:
        """Return the failures of each run by reason."""
        async with self._transactions.member(access, VIEW) as connection:
            return await reading.failure_groups(connection, access.tenant_id, run_ids)

    async def events(
        self, access: TenantAccess, run_ids: Sequence[UUID], *, after_version: int, limit: int
    ) -> Mapping[UUID, Sequence[RunEvent]]:
        """Return a page of the timeline of each run."""
        async with self._transactions.member(access, VIEW) as connection:
            return await reading.events(
                connection, access.tenant_id, run_ids, after_version=after_version, limit=limit
            )

    async def snapshot(self, access: TenantAccess, wanted: RunFilter, limit: int) -> Snapshot:
        """Return the newest runs of the list with the cursor of the same moment."""
        async with self._transactions.member(access, VIEW, snapshot=True) as connection:
            position = await feed.position(connection, access.tenant_id)
            runs = await reading.page(connection, access.tenant_id, wanted, Keyset(limit))
        return Snapshot(FeedCursor(position.epoch, position.seq), runs)

    async def resume_run(
        self, access: TenantAccess, run_id: UUID, after: FeedCursor | None
    ) -> ResumedRun | None:
        """Return one run with what happened to it since a cursor; None when there is no run."""
        async with self._transactions.member(access, VIEW, snapshot=True) as connection:
            position = await feed.position(connection, access.tenant_id)
            runs = await reading.by_ids(connection, access.tenant_id, [run_id])
            missed: Sequence[RunEvent] | None = None
            if after is not None and position.covers(after.epoch, after.seq):
                with suppress(UnreadableEventError):
                    missed = await feed.events_after(
                        connection,
                        access.tenant_id,
                        after.seq,
                        limit=MISSED_LIMIT + 1,
                        run_id=run_id,
                    )
        if not runs:
            return None
        if missed is not None and len(missed) > MISSED_LIMIT:
            missed = None
        return ResumedRun(FeedCursor(position.epoch, position.seq), runs[0], missed)

    async def position(self, access: TenantAccess) -> FeedCursor:
        """Return where the tenant's feed stands."""
        async with self._transactions.member(access, VIEW) as connection:
            position = await feed.position(connection, access.tenant_id)
        return FeedCursor(position.epoch, position.seq)
