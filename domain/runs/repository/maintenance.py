"""The statements that dispatch, rescue and delete runs.

They lock rows with SKIP LOCKED, so that maintenance processes share the work. All times are the
database's. After the database restarts, leases get more time, because no heartbeat could arrive.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import CTE, ColumnElement, delete, func, literal, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert

from domain.lifecycle import RunStatus
from domain.runs.models import Dispatch
from domain.runs.repository.transitions import NO_LEASE, WAITING, is_run
from domain.tables import DISPATCHED_SQL, operation_run, outbox, run_event
from domain.tenancy.session import InstallationSession, TenantSession

_now = func.clock_timestamp()
# Any number that no other advisory lock uses.
_RELAY_LOCK = 7_202_612


@dataclass(frozen=True, slots=True)
class RunKey:
    """A locked run of any tenant, with its attempt."""

    tenant_id: UUID
    run_id: UUID
    attempt: int
    attempts_left: bool


async def take_dispatches(
    session: InstallationSession, *, limit: int, tenant_concurrency: int
) -> Sequence[Dispatch]:
    """Lock due outbox entries until the transaction ends; none while another process does that.

    The oldest entries of a tenant come first. A tenant never has more than `tenant_concurrency`
    runs dispatched or running, so its long queue stays in the outbox and does not delay others.
    """
    # Two processes at the same time would each fill a tenant's share.
    if not await session.scalar(select(func.pg_try_advisory_xact_lock(_RELAY_LOCK))):
        return []
    tenants = _tenants_in_outbox()
    dispatched = (
        select(func.count().label("runs"))
        .where(operation_run.c.tenant_id == tenants.c.tenant_id, text(DISPATCHED_SQL))
        .lateral("dispatched")
    )
    next_ones = (
        select(outbox.c.id, outbox.c.tenant_id, outbox.c.run_id, outbox.c.run_type)
        .where(outbox.c.tenant_id == tenants.c.tenant_id, outbox.c.not_before <= _now)
        .order_by(outbox.c.not_before, outbox.c.id)
        .limit(func.greatest(tenant_concurrency - dispatched.c.runs, 0))
        .with_for_update(skip_locked=True)
        .lateral("next_ones")
    )
    traceparent = (
        select(operation_run.c.traceparent)
        .where(
            operation_run.c.tenant_id == next_ones.c.tenant_id,
            operation_run.c.id == next_ones.c.run_id,
        )
        .scalar_subquery()
    )
    rows = await session.rows(
        select(next_ones, traceparent.label("traceparent"))
        .select_from(tenants, dispatched, next_ones)
        .limit(limit)
    )
    return [
        Dispatch(row.id, row.tenant_id, row.run_id, row.run_type, row.traceparent) for row in rows
    ]


def _tenants_in_outbox() -> CTE:
    """Select the tenants with one index step each, however many entries they have."""

    def following(*conditions: ColumnElement[bool]) -> ColumnElement[UUID]:
        return (
            select(outbox.c.tenant_id)
            .where(*conditions)
            .order_by(outbox.c.tenant_id)
            .limit(1)
            .scalar_subquery()
        )

    tenants = select(following().label("tenant_id")).cte("tenants", recursive=True)
    return tenants.union_all(
        select(following(outbox.c.tenant_id > tenants.c.tenant_id)).where(
            tenants.c.tenant_id.is_not(None)
        )
    )


async def delete_dispatches(session: InstallationSession, dispatches: Sequence[Dispatch]) -> None:
    """Delete the entries that were sent, and record the time of the dispatch."""
    await session.execute(delete(outbox).where(outbox.c.id.in_([d.id for d in dispatches])))
    await session.execute(
        update(operation_run)
        .where(
            tuple_(operation_run.c.tenant_id, operation_run.c.id).in_(
                [(d.tenant_id, d.run_id) for d in dispatches]
            ),
            # A worker that has claimed the run may lock its row for a whole batch.
            operation_run.c.status == RunStatus.PENDING,
        )
        .values(last_dispatched_at=_now)
    )


async def redispatch(session: InstallationSession, *, stale: timedelta, limit: int) -> int:
    """Put pending runs whose message was lost into the outbox again; return how many."""
    lost = (
        select(operation_run.c.tenant_id, operation_run.c.id, operation_run.c.run_type)
        .where(
            operation_run.c.status == RunStatus.PENDING,
            operation_run.c.not_before < _now - stale,
            operation_run.c.last_dispatched_at < _now - stale,
        )
        .order_by(operation_run.c.last_dispatched_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = await session.rows(lost)
    if rows:
        entries = [
            {"tenant_id": row.tenant_id, "run_id": row.id, "run_type": row.run_type} for row in rows
        ]
        await session.execute(upsert(outbox).on_conflict_do_nothing(), entries)
        await session.execute(
            update(operation_run)
            .where(
                tuple_(operation_run.c.tenant_id, operation_run.c.id).in_(
                    [(row.tenant_id, row.id) for row in rows]
                )
            )
            .values(last_dispatched_at=None)
        )
    return len(rows)


async def _take_first(
    session: InstallationSession, *conditions: ColumnElement[bool], by: ColumnElement[datetime]
) -> RunKey | None:
    row = await session.one_or_none(
        select(
            operation_run.c.tenant_id,
            operation_run.c.id,
            operation_run.c.attempt,
            (operation_run.c.attempt < operation_run.c.max_attempts).label("attempts_left"),
        )
        .where(*conditions)
        .order_by(by)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    return RunKey(*row) if row else None


async def take_expired(session: InstallationSession, *, grace: timedelta) -> RunKey | None:
    """Lock one running run whose lease ended longer than `grace` ago."""
    judged_from = func.greatest(
        operation_run.c.lease_expires_at, func.pg_postmaster_start_time() + grace
    )
    return await _take_first(
        session,
        operation_run.c.status == RunStatus.RUNNING,
        operation_run.c.lease_expires_at < _now - grace,
        judged_from + grace < _now,
        by=operation_run.c.lease_expires_at,
    )


async def take_forgotten(session: InstallationSession, *, limit: timedelta) -> RunKey | None:
    """Lock one pending run that no worker took within `limit`."""
    return await _take_first(
        session,
        operation_run.c.status == RunStatus.PENDING,
        operation_run.c.not_before < _now - limit,
        by=operation_run.c.not_before,
    )


async def requeue(session: TenantSession, run_id: UUID, *, delay: timedelta) -> None:
    """Return a locked, expired run to the queue, due after `delay`."""
    await session.execute(
        update(operation_run)
        .where(is_run(session, run_id))
        .values(not_before=_now + delay, version=operation_run.c.version + 1, **WAITING)
    )


async def end(session: TenantSession, run_id: UUID, status: RunStatus) -> None:
    """End a locked run that no worker holds."""
    await session.execute(
        update(operation_run)
        .where(is_run(session, run_id))
        .values(status=status, finished_at=_now, version=operation_run.c.version + 1, **NO_LEASE)
    )


async def delete_runs(session: TenantSession, run_ids: Sequence[UUID]) -> int:
    """Delete runs with all their rows; return their highest event number, or 0."""
    highest: int = await session.scalar(
        select(func.coalesce(func.max(run_event.c.seq), literal(0))).where(
            run_event.c.tenant_id == session.tenant_id, run_event.c.run_id.in_(run_ids)
        )
    )
    await session.execute(
        delete(operation_run).where(
            operation_run.c.tenant_id == session.tenant_id, operation_run.c.id.in_(run_ids)
        )
    )
    return highest
