"""Changes of runs, each with all that the ledger records about it, as one statement.

A change raises the run's `version`, which counts its events. The statement locks the row of the
run first and the tenant's feed counter last. No other transaction can take a later number and
commit earlier, because the counter stays locked until the commit. So the order of numbers is the
order of commits, without gaps.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from sqlalchemy import (
    CTE,
    Insert,
    Text,
    Update,
    Uuid,
    and_,
    bindparam,
    insert,
    literal,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from domain.lifecycle import RunStatus, bucket_rule
from domain.notifications.repository import notifying
from domain.runs.failures import FailureReason
from domain.runs.models import CHANGING_COLUMNS, RunEventKind
from domain.runs.repository.rows import select_runs
from domain.tables import operation_run, outbox, run_event, run_failure, tenant_feed
from domain.tenancy.statements import TENANT, Statement, entering

THE_RUN = and_(
    operation_run.c.tenant_id == TENANT, operation_run.c.id == bindparam("the_run", type_=Uuid())
)
"""The run of the parameter `the_run`."""
NEXT_VERSION = {"version": operation_run.c.version + 1}


class Failure(NamedTuple):
    """Why a run failed as a whole: the parameters of `failing`. The message is sanitized."""

    reason: FailureReason
    message: str
    error_id: str | None = None


_QUEUES = frozenset({RunEventKind.QUEUED, RunEventKind.REQUEUED})
_NOTIFIES = frozenset({RunEventKind.QUEUED, RunEventKind.FINISHED})


def recorded(
    change: Insert | Update,
    kind: RunEventKind,
    *,
    left: RunStatus | None,
    more: Callable[[CTE], Sequence[Insert]] = lambda _: (),
) -> Statement:
    """Return the statement that changes a run and records the event; it returns the changed run.

    `left` is the status before the change, which its guard requires. The run is put into the
    outbox if it waits now, and its initiator is notified if it was queued or has ended.
    `more` returns the inserts that follow from the changed run besides.
    """
    run = change.returning(*operation_run.c).cte("changed")
    counter = (
        update(tenant_feed)
        .where(tenant_feed.c.tenant_id == run.c.tenant_id)
        .values(seq=tenant_feed.c.seq + 1)
        .returning(tenant_feed.c.seq)
        .cte("counter")
    )
    inserts = [_event(run, counter, kind, left), *more(run)]
    if kind in _QUEUES:
        inserts.append(_entry(run, kind))
    if kind in _NOTIFIES:
        inserts.append(notifying(run, counter))
    answer = select_runs(runs=run).add_columns(run.c.lease_token)
    return entering(answer.add_cte(*(each.cte(each.table.name) for each in inserts)))


def failing(run: CTE) -> Sequence[Insert]:
    """Return the insert that records why the run failed as a whole."""
    failure = {
        "tenant_id": run.c.tenant_id,
        "run_id": run.c.id,
        "attempt": run.c.attempt,
        "item_key": literal("", Text()),
        **{name: bindparam(name, type_=Text()) for name in Failure._fields},
    }
    return [insert(run_failure).from_select(list(failure), select(*failure.values()))]


def _event(run: CTE, counter: CTE, kind: RunEventKind, left: RunStatus | None) -> Insert:
    # The bucket of a run that has not ended does not depend on its counts.
    bucket = left and bucket_rule(left, succeeded=0, failed=0).bucket
    event = {
        "tenant_id": run.c.tenant_id,
        "run_id": run.c.id,
        "status_bucket": run.c.status_bucket,
        **{name: run.c[name] for name in CHANGING_COLUMNS},
        "seq": counter.c.seq,
        "kind": literal(kind.value, run_event.c.kind.type),
        "previous_bucket": literal(bucket, run_event.c.previous_bucket.type),
    }
    return insert(run_event).from_select(
        list(event), select(*event.values()).select_from(run.join(counter, true()))
    )


def _entry(run: CTE, kind: RunEventKind) -> Insert:
    row = {name: run.c[name] for name in ("tenant_id", "run_type", "not_before")}
    row["run_id"] = run.c.id
    entry = upsert(outbox).from_select(list(row), select(*row.values()))
    if kind is RunEventKind.QUEUED:
        return entry
    # A duplicate message may have led a worker to claim the run before its entry was sent.
    return entry.on_conflict_do_update(
        index_elements=[outbox.c.tenant_id, outbox.c.run_id],
        set_={"not_before": entry.excluded.not_before},
    )
