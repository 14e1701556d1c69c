"""The outbox entries of runs, as parts of the statements that change the runs.

The relay sends an entry and deletes it. An entry with `sent_at` is sent by the process that wrote
or marked it, right after the commit. The claim of its run marks it too, and maintenance deletes it
then. If the message was lost, the entry is unmarked after a while, and left to the relay.

A sent entry takes a place of its tenant's share, as a dispatched run does.

An entry is parked while no running worker knows its run type: it is never due, so it costs nothing
and delays no other entry. The relay parks entries, and restores them when a worker appears.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    BindParameter,
    Boolean,
    ColumnElement,
    DateTime,
    Delete,
    FromClause,
    Insert,
    Integer,
    Update,
    Uuid,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    literal_column,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from domain.lifecycle import RunStatus
from domain.runs.repository.serving import is_served
from domain.tables import DISPATCHED_SQL, operation_run, outbox, tenant_feed
from domain.tenancy.session import TenantSession
from domain.tenancy.statements import TENANT, entering

SHARE: BindParameter[int] = bindparam("share", type_=Integer(), required=True)
"""The most runs of a tenant that are dispatched or running at a time."""

_now = func.clock_timestamp()
UNSENT = outbox.c.sent_at.is_(None)
_SENT = and_(outbox.c.sent_at.is_not(None), ~outbox.c.is_claimed)
NEVER: ColumnElement[datetime] = literal_column("'infinity'", DateTime(timezone=True))
"""When a parked entry is due. A literal lets Postgres use the index of parked entries."""


def places_taken(tenant_id: ColumnElement[UUID]) -> ColumnElement[int]:
    """Return how many runs of a tenant are dispatched or running."""

    def count(table: FromClause, condition: ColumnElement[bool]) -> ColumnElement[int]:
        rows = select(func.count()).where(table.c.tenant_id == tenant_id, condition)
        return rows.correlate_except(table).scalar_subquery()

    dispatched = literal_column(DISPATCHED_SQL, Boolean())
    return count(operation_run, dispatched) + count(outbox, _SENT)


def events_since(counter: FromClause) -> ColumnElement[int]:
    """Return the number of the tenant's events that a statement does not see.

    They were committed after the statement began and before it locked the feed's counter.
    """
    seq = select(tenant_feed.c.seq).where(tenant_feed.c.tenant_id == TENANT).scalar_subquery()
    return counter.c.seq - 1 - seq


def new_entry(run: FromClause, counter: FromClause) -> Insert:
    """Return the insert of a new run's entry, which is marked as sent if its tenant has room.

    The places are counted before the feed's counter is locked. Each place that was taken in
    between has an event, and the events are numbered, so the share stays exact. If other entries
    wait, the relay might be about to send them. The entry is parked if no worker knows its type.
    """
    served = is_served(run.c.run_type)
    others_wait = exists().where(outbox.c.tenant_id == TENANT, UNSENT, outbox.c.not_before < NEVER)
    has_room = and_(served, places_taken(TENANT) + events_since(counter) < SHARE, ~others_wait)
    row = _row(run) | {
        "not_before": case((served, run.c.not_before), else_=NEVER),
        "sent_at": case((has_room, _now)),
    }
    return upsert(outbox).from_select(
        list(row), select(*row.values()).select_from(run.join(counter, true()))
    )


def entry_again(run: FromClause) -> Insert:
    """Return the insert of the entry for another attempt; it replaces an earlier entry.

    A duplicate message may have led a worker to claim the run before its entry was sent.
    """
    row = _row(run)
    entry = upsert(outbox).from_select(list(row), select(*row.values()))
    return entry.on_conflict_do_update(
        index_elements=[outbox.c.tenant_id, outbox.c.run_id],
        set_={"not_before": entry.excluded.not_before, "sent_at": None, "is_claimed": False},
    )


def _row(run: FromClause) -> dict[str, Any]:
    row: dict[str, Any] = {name: run.c[name] for name in ("tenant_id", "run_type", "not_before")}
    return row | {"run_id": run.c.id}


def claiming(run: FromClause) -> Update:
    """Return the mark on the run's sent entry, which then no longer takes a place.

    It waits for an end that holds the entry: one that began before the entry was marked as sent
    tries to take it, and keeps it locked until its commit. If the claim skipped a locked entry,
    the place would stay taken until maintenance finds it.
    """
    return (
        update(outbox)
        .where(outbox.c.tenant_id == run.c.tenant_id, outbox.c.run_id == run.c.id, _SENT)
        .values(is_claimed=True)
    )


def dropping(run: FromClause) -> Delete:
    """Return the deletion of the run's entry; one that the relay is about to send stays."""
    entry = (
        select(outbox.c.id)
        .join(run, and_(outbox.c.tenant_id == run.c.tenant_id, outbox.c.run_id == run.c.id))
        .with_for_update(of=outbox, skip_locked=True)
    )
    return delete(outbox).where(outbox.c.id == entry.scalar_subquery())


def next_entry(ended: FromClause) -> CTE:
    """Return the mark on the oldest due entry of the tenant, which gets the ended run's place.

    Entries that the relay is about to send are locked. A place is passed on only once, so the
    share stays exact. A run that a duplicate message has led to a worker needs no place.
    """
    waiting = exists().where(
        operation_run.c.tenant_id == outbox.c.tenant_id,
        operation_run.c.id == outbox.c.run_id,
        operation_run.c.status == RunStatus.PENDING,
    )
    oldest = (
        select(outbox.c.id)
        .join(ended, outbox.c.tenant_id == ended.c.tenant_id)
        .where(UNSENT, outbox.c.not_before <= _now, places_taken(TENANT) <= SHARE, waiting)
        .order_by(outbox.c.not_before, outbox.c.id)
        .limit(1)
        .with_for_update(of=outbox, skip_locked=True)
    )
    return (
        update(outbox)
        .where(outbox.c.id == oldest.scalar_subquery())
        .values(sent_at=_now)
        .returning(*outbox.c)
        .cte("next")
    )


_UNMARK = entering(
    select(
        update(outbox)
        .where(
            outbox.c.tenant_id == TENANT, outbox.c.run_id == bindparam("unsent_run", type_=Uuid())
        )
        .values(sent_at=None)
        .returning(outbox.c.id)
        .cte("unmarked")
    )
)


async def unmark(session: TenantSession, run_id: UUID) -> None:
    """Leave a run's entry to the relay, because its message was not sent."""
    await session.rows(_UNMARK, {"unsent_run": run_id})
