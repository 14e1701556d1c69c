"""Deliberate bugs, planted by the crash tests, which prove that the checker detects them."""

import asyncio
import re
from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text

from domain.runs.execution import RunExecution
from domain.runs.maintenance import RunMaintenance
from domain.runs.models import FeedCursor, OperationRun, RunFilter
from domain.runs.queries import ResumedRun, RunQueries, Snapshot
from domain.runs.repository import feed, items, maintenance, transitions
from domain.runs.repository.feed import FeedPosition
from domain.tables import run_event, tenant_feed
from domain.tenancy.models import TenantAccess
from domain.tenancy.session import TenantSession
from domain.tenancy.statements import Statement

Hit = Callable[[str], None]

SEQUENCE = "opsrun.crash_feed"
_FENCE = r"opsrun\.operation_run\.(?:attempt|lease_token) = (\$\d+::\w+)"
_COUNTER = (
    r"UPDATE opsrun\.tenant_feed SET seq=\(opsrun\.tenant_feed\.seq \+ (\$\d+::\w+)\) FROM changed"
    r" .*? RETURNING opsrun\.tenant_feed\.seq"
)
_NEXT_NUMBER = (
    f"SELECT nextval('{SEQUENCE}_' || replace(changed.tenant_id::text, '-', '')) AS seq"
    r" FROM changed WHERE \1 IS NOT NULL"
)
_NOTIFIES = r"changed\.initiator_id != \$\d+::\w+"
_UNCOMMITTED_WINDOW = 0.1


class Mutant(StrEnum):
    """The name of a bug."""

    NO_FENCE = "no-fence"
    NO_REDISPATCH = "no-redispatch"
    PLAIN_SEQUENCE = "plain-sequence"
    LATE_NOTIFICATION = "late-notification"
    LIVE_FIRST = "live-first"


def plant(mutant: Mutant, hit: Hit) -> None:
    """Plant the bug in this process."""
    _PLANT[mutant](hit)


def _replace(owner: object, name: str, value: object) -> None:
    assert hasattr(owner, name), f"{owner} has no {name} any more: the mutant would do nothing"
    setattr(owner, name, value)


def _rewrite(pattern: str, replacement: str, *modules: object) -> None:
    """Replace a part of all statements of these repositories; it must occur."""
    replaced = 0
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, Statement):
                value.text, count = re.subn(pattern, replacement, value.text, flags=re.DOTALL)
                replaced += count
    assert replaced, f"no statement has {pattern} any more: the mutant would do nothing"


def _no_fence(_: Hit) -> None:
    """A worker checks that the run is running, but not that it still holds the lease."""
    # The parameters stay, because their number and types must.
    _rewrite(_FENCE, r"\1 IS NOT NULL", transitions, items)


def _no_redispatch(_: Hit) -> None:
    """A message that was sent once counts as delivered."""

    async def redispatch(self: RunMaintenance, *, stale: timedelta) -> int:
        return 0

    _replace(RunMaintenance, "redispatch", redispatch)


def _plain_sequence(_: Hit) -> None:
    """Event numbers come from a sequence: out of commit order, and with a gap per rollback."""

    async def position(session: TenantSession) -> FeedPosition:
        row = await session.one(
            select(
                tenant_feed.c.epoch,
                tenant_feed.c.min_seq,
                select(func.coalesce(func.max(run_event.c.seq), 0))
                .where(run_event.c.tenant_id == session.tenant_id)
                .scalar_subquery()
                .label("seq"),
            ).where(tenant_feed.c.tenant_id == session.tenant_id)
        )
        return FeedPosition(FeedCursor(row.epoch, row.seq), row.min_seq)

    _rewrite(_COUNTER, _NEXT_NUMBER, transitions, items, maintenance)
    _replace(feed, "position", position)


def _late_notification(hit: Hit) -> None:
    """A run's end is committed before its notification, which has a separate transaction."""
    end = RunExecution._end

    async def end_then_notify(self: RunExecution, *arguments: Any) -> OperationRun:
        ended = await end(self, *arguments)
        hit("late-notification.before")
        async with self._transactions.tenant(self.tenant_id) as session:
            await session.execute(_NOTIFY, {"run_id": ended.id, "version": ended.version})
        return ended

    for statement in (transitions._COMPLETE, transitions._FAIL):
        statement.text, count = re.subn(_NOTIFIES, r"\g<0> AND false", statement.text)
        assert count, "an end does not notify any more: the mutant would do nothing"
    _replace(RunExecution, "_end", end_then_notify)


_NOTIFY = text(
    """INSERT INTO opsrun.notification (tenant_id, id, recipient_id, run_id, seq, outcome)
        SELECT r.tenant_id, gen_random_uuid(), r.initiator_id, r.id, e.seq, r.status_bucket
        FROM opsrun.operation_run r JOIN opsrun.run_event e
          ON e.tenant_id = r.tenant_id AND e.run_id = r.id AND e.version = r.version
        WHERE r.id = :run_id AND r.version = :version"""
)


def _live_first(_: Hit) -> None:
    """A subscription takes its cursor first, and its snapshot later."""
    snapshot, resume_run = RunQueries.snapshot, RunQueries.resume_run

    async def late_snapshot(
        self: RunQueries, access: TenantAccess, filter_: RunFilter, limit: int
    ) -> Snapshot:
        cursor = (await self._transactions.read(feed.position, access)).cursor
        await asyncio.sleep(_UNCOMMITTED_WINDOW)
        later = await snapshot(self, access, filter_, limit)
        return Snapshot(cursor, later.runs, later.taken_at)

    async def late_resume(
        self: RunQueries, access: TenantAccess, run_id: UUID, after: FeedCursor | None
    ) -> ResumedRun | None:
        cursor = (await self._transactions.read(feed.position, access)).cursor
        await asyncio.sleep(_UNCOMMITTED_WINDOW)
        later = await resume_run(self, access, run_id, after)
        return later and ResumedRun(cursor, later.run, later.missed)

    _replace(RunQueries, "snapshot", late_snapshot)
    _replace(RunQueries, "resume_run", late_resume)


_PLANT: dict[Mutant, Callable[[Hit], None]] = {
    Mutant.NO_FENCE: _no_fence,
    Mutant.NO_REDISPATCH: _no_redispatch,
    Mutant.PLAIN_SEQUENCE: _plain_sequence,
    Mutant.LATE_NOTIFICATION: _late_notification,
    Mutant.LIVE_FIRST: _live_first,
}
