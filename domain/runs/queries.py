"""Reads of runs and of the feed's cursor at the same moment."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from domain.concurrency.shared_reads import SharedReads
from domain.runs.models import FeedCursor, OperationRun, RunEvent, RunFilter
from domain.runs.repository import feed, reading
from domain.runs.repository.reading import Keyset
from domain.runs.repository.rows import UnreadableEventError, readable
from domain.tenancy.models import TenantAccess
from domain.tenancy.roles import VIEW
from domain.tenancy.transactions import Transactions

MISSED_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Runs at one moment, and the feed's cursor at that moment."""

    cursor: FeedCursor
    runs: Sequence[OperationRun]
    taken_at: datetime


@dataclass(frozen=True, slots=True)
class _Scope:
    """What a snapshot shows; any member of the tenant may take it for the others."""

    tenant_id: UUID
    run_filter: RunFilter
    limit: int
    access: TenantAccess = field(compare=False)


@dataclass(frozen=True, slots=True)
class ResumedRun:
    """A run and the feed's cursor at one moment, and the events that a follower missed.

    `missed` is None if the follower's cursor is not valid, if it missed too many events, or if
    one of them cannot be read. Then only `run` is reliable.
    """

    cursor: FeedCursor
    run: OperationRun
    missed: Sequence[RunEvent] | None


class RunQueries:
    """Consistent reads of the ledger on behalf of a member of the tenant."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._snapshots = SharedReads(self._take_snapshot, capacity=1)

    async def snapshot(self, access: TenantAccess, run_filter: RunFilter, limit: int) -> Snapshot:
        """Return the newest runs that match, and the cursor of the same moment.

        Runs with a status that only a newer version knows are left out. Members who ask for the
        same at the same time share one read.
        """
        access.require(VIEW)
        return await self._snapshots.get(_Scope(access.tenant_id, run_filter, limit, access))

    async def _take_snapshot(self, scope: _Scope) -> Snapshot:
        async with self._transactions.member(scope.access, VIEW, snapshot=True) as session:
            position = await feed.position(session)
            runs: Sequence[OperationRun] = ()
            if scope.limit:
                runs = readable(await reading.page(session, scope.run_filter, Keyset(scope.limit)))
        return Snapshot(position.cursor, runs, datetime.now(UTC))

    async def resume_run(
        self, access: TenantAccess, run_id: UUID, after: FeedCursor | None
    ) -> ResumedRun | None:
        """Return a run with its events since a cursor; None if the run does not exist."""
        async with self._transactions.member(access, VIEW, snapshot=True) as session:
            position = await feed.position(session)
            run = (await reading.by_ids(session, [run_id])).get(run_id)
            missed: Sequence[RunEvent] | None = None
            if after is not None and position.covers(after):
                with suppress(UnreadableEventError):
                    missed = await feed.events_after(
                        session, after.seq, limit=MISSED_LIMIT + 1, run_id=run_id
                    )
        if run is None:
            return None
        if missed is not None and len(missed) > MISSED_LIMIT:
            missed = None
        return ResumedRun(position.cursor, run, missed)
