"""Changes of runs, each with all that the ledger records about it, as one statement.

A change raises the run's `version`, which counts its events. The statement locks the row of the
run first and the tenant's feed counter last. No other transaction can take a later number and
commit earlier, because the counter stays locked until the commit. So the order of numbers is the
order of commits, without gaps.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import (
    CTE,
    BindParameter,
    ColumnElement,
    Insert,
    Integer,
    Select,
    Text,
    Update,
    UpdateBase,
    Uuid,
    and_,
    bindparam,
    case,
    func,
    insert,
    literal,
    select,
    text,
    true,
    update,
)

from domain.lifecycle import RunStatus, bucket_rule
from domain.notifications.repository import notifying
from domain.runs.models import CHANGING_COLUMNS, Dispatch, RunEventKind
from domain.runs.repository.entries import entry_again, events_since, new_entry, next_entry
from domain.runs.repository.rows import select_runs
from domain.tables import ACTIVE_SQL, operation_run, outbox, run_event, run_failure, tenant_feed
from domain.tenancy.session import AnyRow
from domain.tenancy.statements import TENANT, Statement, entering

THE_RUN = and_(
    operation_run.c.tenant_id == TENANT, operation_run.c.id == bindparam("the_run", type_=Uuid())
)
"""The run of the parameter `the_run`."""
NEXT_VERSION = {"version": operation_run.c.version + 1}


class Failure(NamedTuple):
    """Why a run failed as a whole: the parameters of `failing`. The message is sanitized."""

    reason: str
    message: str
    error_id: str | None = None


ACTIVE = text(ACTIVE_SQL)
_ACTIVE_LIMIT: BindParameter[int | None] = bindparam("active_limit", type_=Integer(), required=True)
count_active = (
    select(func.count())
    .select_from(
        select(operation_run.c.tenant_id)
        .where(operation_run.c.tenant_id == TENANT, ACTIVE)
        .limit(_ACTIVE_LIMIT)
        .subquery()
    )
    .scalar_subquery()
)
"""The number of the tenant's active runs, up to the parameter `active_limit`."""
_NOTIFIES = frozenset({RunEventKind.QUEUED, RunEventKind.FINISHED})


def recorded(
    change: Insert | Update,
    kind: RunEventKind,
    *,
    left: RunStatus | None,
    more: Callable[[CTE], Mapping[str, UpdateBase]] = lambda _: {},
    makes_room: bool = False,
) -> Statement:
    """Return the statement that changes a run and records the event; it returns the changed run.

    `left` is the status before the change, which its guard requires. The run is put into the
    outbox if it waits now, and its initiator is notified if it was queued or has ended. `more`
    returns further changes by name. With `makes_room`, the run's place in its tenant's share is
    passed on. Columns `entry_…` describe the entry to send after the commit, if there is one.
    The statement refuses a new run if the tenant may have more than `active_limit` active runs.
    """
    run = change.returning(*operation_run.c).cte("changed")
    counter = (
        update(tenant_feed)
        .where(tenant_feed.c.tenant_id == run.c.tenant_id)
        .values(seq=tenant_feed.c.seq + 1)
        .returning(tenant_feed.c.seq)
        .cte("counter")
    )
    changes = {"event": _event(run, counter, kind, left), **more(run)}
    if kind in _NOTIFIES:
        changes["notification"] = notifying(run, counter)
    answer = select_runs(runs=run).add_columns(run.c.lease_token)
    if kind is RunEventKind.QUEUED:
        entry = new_entry(run, counter).returning(*outbox.c).cte("entry")
        answer = _with_entry(answer, entry, run.c.traceparent)
    elif kind is RunEventKind.REQUEUED:
        changes["entry"] = entry_again(run)
    elif makes_room:
        entry = next_entry(run)
        traceparent = select(operation_run.c.traceparent).where(
            operation_run.c.tenant_id == entry.c.tenant_id, operation_run.c.id == entry.c.run_id
        )
        answer = _with_entry(answer, entry, traceparent.scalar_subquery())
    return entering(answer.add_cte(*(each.cte(name) for name, each in changes.items())))


def _with_entry(
    answer: Select[Any], entry: CTE, traceparent: ColumnElement[str | None]
) -> Select[Any]:
    return answer.outerjoin(entry, entry.c.sent_at.is_not(None)).add_columns(
        entry.c.id.label("entry_id"),
        entry.c.run_id.label("entry_run_id"),
        entry.c.run_type.label("entry_run_type"),
        traceparent.label("entry_traceparent"),
    )


def entry_to_send(row: AnyRow) -> Dispatch | None:
    """Return the entry in a row of `recorded` that must be sent after the commit."""
    if row.entry_id is None:
        return None
    return Dispatch(
        row.entry_id, row.tenant_id, row.entry_run_id, row.entry_run_type, row.entry_traceparent
    )


def failing(run: CTE) -> Mapping[str, Insert]:
    """Return the insert that records why the run failed as a whole."""
    failure = {
        "tenant_id": run.c.tenant_id,
        "run_id": run.c.id,
        "attempt": run.c.attempt,
        "item_key": literal("", Text()),
        **{name: bindparam(name, type_=Text()) for name in Failure._fields},
    }
    return {"failure": insert(run_failure).from_select(list(failure), select(*failure.values()))}


def _event(run: CTE, counter: CTE, kind: RunEventKind, left: RunStatus | None) -> Insert:
    seq: ColumnElement[int] = counter.c.seq
    if kind is RunEventKind.QUEUED:
        # Without a number, the event violates its table, and nothing is written.
        active_at_most = count_active + 1 + events_since(counter)
        seq = case((func.coalesce(active_at_most <= _ACTIVE_LIMIT, true()), seq))
    # The bucket of a run that has not ended does not depend on its counts.
    bucket = left and bucket_rule(left, succeeded=0, failed=0).bucket
    event = {
        "tenant_id": run.c.tenant_id,
        "run_id": run.c.id,
        "status_bucket": run.c.status_bucket,
        **{name: run.c[name] for name in CHANGING_COLUMNS},
        "seq": seq,
        "kind": literal(kind.value, run_event.c.kind.type),
        "previous_bucket": literal(bucket, run_event.c.previous_bucket.type),
    }
    return insert(run_event).from_select(
        list(event), select(*event.values()).select_from(run.join(counter, true()))
    )
