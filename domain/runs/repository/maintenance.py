"""What keeps the ledger going: dispatch, rescue and purge. Safe to run many times at once.

Rows are taken with SKIP LOCKED, so two maintenance processes share the work.
All times are the database's; a run's lease counts from its restart on, since
nobody could send a heartbeat while it was down.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    Select,
    and_,
    delete,
    func,
    literal,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.lifecycle import RunStatus
from domain.runs.repository.transitions import NO_LEASE, WAITING
from domain.tables import DISPATCHED_SQL, operation_run, outbox, run_event, tenant

_now = func.clock_timestamp()
# Any number that no other advisory lock has.
_RELAY_LOCK = 7_202_612


@dataclass(frozen=True, slots=True)
class Dispatch:
    """The order to send one run to a worker."""

    id: int
    tenant_id: UUID
    run_id: UUID
    run_type: str
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class RunKey:
    """A locked run somewhere, with the attempt that was seen."""

    tenant_id: UUID
    run_id: UUID
    attempt: int
    attempts_left: bool


async def take_dispatches(
    connection: AsyncConnection, *, limit: int, tenant_concurrency: int
) -> Sequence[Dispatch]:
    """Lock due orders until the transaction ends; none while somebody else does.

    Each tenant's come oldest first, and no more of them than make `tenant_concurrency` with
    its runs that are sent or begun. So a long queue of one tenant stays in the outbox and
    out of the others' way.
    """
    # Two at a time would each fill the tenants' shares.
    alone = select(func.pg_try_advisory_xact_lock(_RELAY_LOCK))
    if not (await connection.execute(alone)).scalar_one():
        return []
    tenants = _tenants_with_orders()
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
    rows = await connection.execute(
        select(next_ones, traceparent.label("traceparent"))
        .select_from(tenants, dispatched, next_ones)
        .limit(limit)
    )
    return [
        Dispatch(row.id, row.tenant_id, row.run_id, row.run_type, row.traceparent) for row in rows
    ]


def _tenants_with_orders() -> CTE:
    """Select them by a step through the index each, however many orders a tenant has."""

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


async def delete_dispatches(connection: AsyncConnection, dispatches: Sequence[Dispatch]) -> None:
    """Delete orders that were sent and note when, for the re-dispatcher."""
    await connection.execute(delete(outbox).where(outbox.c.id.in_([d.id for d in dispatches])))
    await connection.execute(
        update(operation_run)
        .where(
            tuple_(operation_run.c.tenant_id, operation_run.c.id).in_(
                [(d.tenant_id, d.run_id) for d in dispatches]
            ),
            # A worker may have it by now, and hold its row for as long as a batch takes.
            operation_run.c.status == RunStatus.PENDING,
        )
        .values(last_dispatched_at=_now)
    )


async def redispatch(connection: AsyncConnection, *, stale: timedelta, limit: int) -> int:
    """Order pending runs anew whose message got lost; return how many."""
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
    rows = (await connection.execute(lost)).all()
    if rows:
        orders = [
            {"tenant_id": row.tenant_id, "run_id": row.id, "run_type": row.run_type} for row in rows
        ]
        await connection.execute(upsert(outbox).on_conflict_do_nothing(), orders)
        await connection.execute(
            update(operation_run)
            .where(
                tuple_(operation_run.c.tenant_id, operation_run.c.id).in_(
                    [(row.tenant_id, row.id) for row in rows]
                )
            )
            .values(last_dispatched_at=None)
        )
    return len(rows)


def _take_one(condition: ColumnElement[bool]) -> Select[Any]:
    return (
        select(
            operation_run.c.tenant_id,
            operation_run.c.id,
            operation_run.c.attempt,
            (operation_run.c.attempt < operation_run.c.max_attempts).label("attempts_left"),
        )
        .where(condition)
        .limit(1)
        .with_for_update(skip_locked=True)
    )


async def _one(connection: AsyncConnection, query: Select[Any]) -> RunKey | None:
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        return None
    return RunKey(row.tenant_id, row.id, row.attempt, row.attempts_left)


async def take_expired(connection: AsyncConnection, *, grace: timedelta) -> RunKey | None:
    """Lock one running run whose lease ended longer than `grace` ago."""
    judged_from = func.greatest(
        operation_run.c.lease_expires_at, func.pg_postmaster_start_time() + grace
    )
    return await _one(
        connection,
        _take_one(
            and_(
                operation_run.c.status == RunStatus.RUNNING,
                operation_run.c.lease_expires_at < _now - grace,
                judged_from + grace < _now,
            )
        ).order_by(operation_run.c.lease_expires_at),
    )


async def take_forgotten(connection: AsyncConnection, *, limit: timedelta) -> RunKey | None:
    """Lock one pending run that no worker took within `limit`."""
    return await _one(
        connection,
        _take_one(
            and_(
                operation_run.c.status == RunStatus.PENDING,
                operation_run.c.not_before < _now - limit,
            )
        ).order_by(operation_run.c.not_before),
    )


async def requeue(connection: AsyncConnection, run: RunKey, *, delay: timedelta) -> None:
    """Give a locked, expired run to the next worker after `delay`."""
    await connection.execute(
        update(operation_run)
        .where(operation_run.c.tenant_id == run.tenant_id, operation_run.c.id == run.run_id)
        .values(not_before=_now + delay, version=operation_run.c.version + 1, **WAITING)
    )


async def end(connection: AsyncConnection, run: RunKey, status: RunStatus) -> None:
    """End a locked run from outside a worker."""
    await connection.execute(
        update(operation_run)
        .where(operation_run.c.tenant_id == run.tenant_id, operation_run.c.id == run.run_id)
        .values(
            status=status,
            finished_at=_now,
            version=operation_run.c.version + 1,
            **NO_LEASE,
        )
    )


PinnedRuns = Select[Any]


async def expired_runs(
    connection: AsyncConnection, tenant_id: UUID, *, pinned: PinnedRuns, limit: int
) -> Sequence[UUID]:
    """Lock finished runs of the tenant that are past its retention and not pinned."""
    # A value of its own, not a column of a join, so that it bounds the index scan.
    kept_from = (
        select(_now - func.make_interval(0, 0, 0, tenant.c.retention_days))
        .where(tenant.c.id == tenant_id)
        .scalar_subquery()
    )
    rows = await connection.execute(
        select(operation_run.c.id)
        .where(
            operation_run.c.tenant_id == tenant_id,
            operation_run.c.finished_at < kept_from,
            tuple_(operation_run.c.tenant_id, operation_run.c.id).not_in(pinned),
        )
        .order_by(operation_run.c.finished_at)
        .limit(limit)
        .with_for_update(skip_locked=True, of=operation_run)
    )
    return list(rows.scalars())


async def delete_runs(connection: AsyncConnection, tenant_id: UUID, run_ids: Sequence[UUID]) -> int:
    """Delete runs with all that hangs off them; return the highest feed number that went."""
    highest: int = (
        await connection.execute(
            select(func.coalesce(func.max(run_event.c.seq), literal(0))).where(
                run_event.c.tenant_id == tenant_id, run_event.c.run_id.in_(run_ids)
            )
        )
    ).scalar_one()
    await connection.execute(
        delete(operation_run).where(
            operation_run.c.tenant_id == tenant_id, operation_run.c.id.in_(run_ids)
        )
    )
    return highest
