"""The statements that send outbox entries: what the relay takes, and messages that were lost.

They lock rows with SKIP LOCKED, so that maintenance processes share the work.
"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import (
    CTE,
    BindParameter,
    ColumnElement,
    Integer,
    Interval,
    bindparam,
    delete,
    func,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from domain.lifecycle import RunStatus
from domain.runs.models import Dispatch
from domain.runs.repository.entries import NEVER, SHARE, places_taken
from domain.runs.repository.serving import is_served, served_types
from domain.tables import operation_run, outbox
from domain.tenancy.session import InstallationSession
from domain.tenancy.statements import Statement, any_of, each

_now = func.clock_timestamp()
# Any number that no other advisory lock uses.
_RELAY_LOCK = 7_202_612
_LIMIT: BindParameter[int] = bindparam("limit", type_=Integer())


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


_TRY_RELAY_LOCK = Statement(select(func.pg_try_advisory_xact_lock(_RELAY_LOCK)))
_tenants = _tenants_in_outbox()
_next_ones = (
    select(outbox.c.id, outbox.c.tenant_id, outbox.c.run_id, outbox.c.run_type)
    .where(
        outbox.c.tenant_id == _tenants.c.tenant_id,
        outbox.c.not_before <= _now,
        outbox.c.sent_at.is_(None),
    )
    .order_by(outbox.c.not_before, outbox.c.id)
    .limit(func.greatest(SHARE - places_taken(_tenants.c.tenant_id), 0))
    .with_for_update(skip_locked=True)
    .lateral("next_ones")
)
_traceparent = (
    select(operation_run.c.traceparent)
    .where(
        operation_run.c.tenant_id == _next_ones.c.tenant_id,
        operation_run.c.id == _next_ones.c.run_id,
    )
    .scalar_subquery()
)
_TAKE_DISPATCHES = Statement(
    select(
        _next_ones,
        _traceparent.label("traceparent"),
        is_served(_next_ones.c.run_type).label("is_served"),
    )
    .select_from(_tenants, _next_ones)
    .limit(_LIMIT)
)


_restored = (
    select(operation_run.c.not_before)
    .where(operation_run.c.tenant_id == outbox.c.tenant_id, operation_run.c.id == outbox.c.run_id)
    .scalar_subquery()
)
_unparked = update(outbox).where(outbox.c.not_before == NEVER).values(not_before=_restored)
# One step of the index of parked entries for each type that is served.
_RESTORE = Statement(_unparked.where(outbox.c.run_type.in_(served_types)))
_UNPARK = Statement(_unparked)
_PARK = Statement(update(outbox).where(any_of(outbox.c.id, "ids")).values(not_before=NEVER))


async def take_dispatches(
    session: InstallationSession, *, limit: int, tenant_concurrency: int
) -> tuple[Sequence[Dispatch], int]:
    """Lock due outbox entries until the transaction ends; none while another process does that.

    Also returns how many entries were parked instead, because no worker knows their type.
    The oldest entries of a tenant come first. A tenant never has more than `tenant_concurrency`
    runs dispatched or running, so its long queue stays in the outbox and does not delay others.
    """
    # Two processes at the same time would each fill a tenant's share.
    is_alone: bool = await session.scalar(_TRY_RELAY_LOCK)
    if not is_alone:
        return [], 0
    await session.execute(_RESTORE)
    values = {"limit": limit, SHARE.key: tenant_concurrency}
    rows = await session.rows(_TAKE_DISPATCHES, values)
    parked = [row.id for row in rows if not row.is_served]
    if parked:
        await session.execute(_PARK, {"ids": parked})
    return [
        Dispatch(row.id, row.tenant_id, row.run_id, row.run_type, row.traceparent)
        for row in rows
        if row.is_served
    ], len(parked)


async def unpark(session: InstallationSession) -> int:
    """Make all parked entries due; return how many."""
    return await session.execute(_UNPARK)


_key = tuple_(operation_run.c.tenant_id, operation_run.c.id)
_keys = select(*each(outbox.c.tenant_id, outbox.c.run_id).c)
_of_keys = update(operation_run).where(_key.in_(_keys))
_DELETE_AND_MARK = Statement(
    # A worker that has claimed the run may lock its row for a whole batch.
    _of_keys.where(operation_run.c.status == RunStatus.PENDING)
    .values(last_dispatched_at=_now)
    .add_cte(delete(outbox).where(any_of(outbox.c.id, "ids")).cte("deleted"))
)


async def delete_dispatches(session: InstallationSession, dispatches: Sequence[Dispatch]) -> None:
    """Delete the entries that were sent, and record the time of the dispatch."""
    await session.execute(
        _DELETE_AND_MARK,
        {
            "ids": [d.id for d in dispatches],
            "tenant_id": [d.tenant_id for d in dispatches],
            "run_id": [d.run_id for d in dispatches],
        },
    )


_STALE: BindParameter[timedelta] = bindparam("stale", type_=Interval())
_LOST = Statement(
    select(operation_run.c.tenant_id, operation_run.c.id)
    .where(
        operation_run.c.status == RunStatus.PENDING,
        operation_run.c.not_before < _now - _STALE,
        operation_run.c.last_dispatched_at < _now - _STALE,
    )
    .order_by(operation_run.c.last_dispatched_at)
    .limit(_LIMIT)
    .with_for_update(skip_locked=True)
)
_ENQUEUE_AGAIN = Statement(
    upsert(outbox)
    .from_select(
        ["tenant_id", "run_id", "run_type"],
        select(operation_run.c.tenant_id, operation_run.c.id, operation_run.c.run_type).where(
            _key.in_(_keys)
        ),
    )
    .on_conflict_do_nothing()
)
_FORGET_DISPATCH = Statement(_of_keys.values(last_dispatched_at=None))


async def redispatch(session: InstallationSession, *, stale: timedelta, limit: int) -> int:
    """Put pending runs whose message was lost into the outbox again; return how many."""
    rows = await session.rows(_LOST, {"stale": stale, "limit": limit})
    if rows:
        values = {
            "tenant_id": [row.tenant_id for row in rows],
            "run_id": [row.id for row in rows],
        }
        await session.execute(_ENQUEUE_AGAIN, values)
        await session.execute(_FORGET_DISPATCH, values)
    return len(rows)


_DELETE_CLAIMED = Statement(delete(outbox).where(outbox.c.is_claimed))
_UNMARK = Statement(
    update(outbox)
    .where(outbox.c.sent_at < _now - _STALE, ~outbox.c.is_claimed)
    .values(sent_at=None)
)


async def review_sent_entries(session: InstallationSession, *, stale: timedelta) -> int:
    """Delete sent entries of claimed runs, and leave those to the relay that are `stale`.

    Returns how many are left to the relay.
    """
    await session.execute(_DELETE_CLAIMED)
    return await session.execute(_UNMARK, {"stale": stale})
