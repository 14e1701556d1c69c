"""Deliberate bugs, planted by the crash tests, which prove that the checker detects them."""

import asyncio
import re
from collections.abc import Callable
from contextvars import ContextVar
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text

from domain.notifications import repository as notifications
from domain.runs.execution import RunExecution
from domain.runs.maintenance import RunMaintenance
from domain.runs.models import FeedCursor, OperationRun, RunEventKind, RunFilter
from domain.runs.queries import ResumedRun, RunQueries, Snapshot
from domain.runs.repository import feed, items, transitions
from domain.runs.repository.feed import FeedPosition
from domain.tables import run_event, tenant_feed
from domain.tenancy.models import TenantAccess
from domain.tenancy.session import TenantSession
from domain.tenancy.statements import Statement

Hit = Callable[[str], None]

SEQUENCE = "opsrun.crash_feed"
_FENCE = re.compile(r"opsrun\.operation_run\.(?:attempt|lease_token) = (\$\d+::\w+)")
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


def _no_fence(_: Hit) -> None:
    """A worker checks that the run is running, but not that it still holds the lease."""
    removed = 0
    for value in (*vars(transitions).values(), *vars(items).values()):
        if isinstance(value, Statement):
            # The parameters stay, because their number and types must.
            value.text, count = _FENCE.subn(r"\1 IS NOT NULL", value.text)
            removed += count
    assert removed, "no statement compares the lease any more: the mutant would do nothing"


def _no_redispatch(_: Hit) -> None:
    """A message that was sent once counts as delivered."""

    async def redispatch(self: RunMaintenance, *, stale: timedelta) -> int:
        return 0

    _replace(RunMaintenance, "redispatch", redispatch)


def _plain_sequence(_: Hit) -> None:
    """Event numbers come from a sequence: out of commit order, and with a gap per rollback."""

    async def emit(session: TenantSession, run_id: UUID, kind: RunEventKind) -> int:
        number = {"tenant_id": session.tenant_id, "run_id": run_id, "kind": kind.value}
        return await session.scalar(_EMIT, number)

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

    _replace(feed, "emit", emit)
    _replace(feed, "position", position)


_EMIT = text(
    f"""INSERT INTO opsrun.run_event (tenant_id, seq, run_id, version, kind, status, status_bucket,
          previous_bucket, total, succeeded, failed, skipped, attempt, started_at, finished_at)
        SELECT r.tenant_id, nextval('{SEQUENCE}_' || replace(r.tenant_id::text, '-', '')), r.id,
          r.version, :kind, r.status, r.status_bucket, b.status_bucket, r.total, r.succeeded,
          r.failed, r.skipped, r.attempt, r.started_at, r.finished_at
        FROM opsrun.operation_run r LEFT JOIN opsrun.run_event b
          ON b.tenant_id = r.tenant_id AND b.run_id = r.id AND b.version = r.version - 1
        WHERE r.tenant_id = :tenant_id AND r.id = :run_id RETURNING seq"""
)


def _late_notification(hit: Hit) -> None:
    """A run's end is committed before its notification, which has a separate transaction."""
    postponed: ContextVar[list[tuple[Any, ...]] | None] = ContextVar("postponed", default=None)
    add = notifications.add
    end = RunExecution._end

    async def add_later(session: TenantSession, *arguments: Any) -> None:
        waiting = postponed.get()
        if waiting is None:
            await add(session, *arguments)
        else:
            waiting.append(arguments)

    async def end_then_notify(self: RunExecution, *arguments: Any) -> OperationRun:
        waiting: list[tuple[Any, ...]] = []
        token = postponed.set(waiting)
        try:
            ended = await end(self, *arguments)
        finally:
            postponed.reset(token)
        hit("late-notification.before")
        async with self._transactions.tenant(self.tenant_id) as session:
            for notification in waiting:
                await add(session, *notification)
        return ended

    _replace(notifications, "add", add_later)
    _replace(RunExecution, "_end", end_then_notify)


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
