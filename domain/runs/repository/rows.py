"""The columns and read models that all statements over runs and events share."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import Select, func, select

from domain.lifecycle import StatusBucket
from domain.runs.models import (
    CHANGING_COLUMNS,
    COLUMNS,
    FIXED_COLUMNS,
    OperationRun,
    RunEvent,
    RunEventKind,
)
from domain.tables import operation_run, run_event, tenant
from domain.tenancy.session import AnyRow

_EXPIRES_AT = "expires_at"
_OBSERVED_AT = "observed_at"
# A run's place in every list.
_PLACE = frozenset({"tenant_id", "id", "created_at"})


def _columns(run: Any, source: Any, names: frozenset[str] = COLUMNS) -> list[Any]:
    special = {
        _EXPIRES_AT: source.c.finished_at + func.make_interval(0, 0, 0, tenant.c.retention_days),
        _OBSERVED_AT: func.clock_timestamp(),
    }
    return [
        *(run.c[name] for name in FIXED_COLUMNS if name in names),
        *(source.c[name] for name in CHANGING_COLUMNS if name in names),
        *(column.label(name) for name, column in special.items() if name in names),
    ]


def select_runs(names: frozenset[str] = COLUMNS, runs: Any = operation_run) -> Select[Any]:
    """Select these columns of runs in their current state, and those of their place in a list.

    `runs` are the rows to select from: the table, or those that the same statement changes.
    """
    query = select(*_columns(runs, runs, names | _PLACE))
    if _EXPIRES_AT not in names:
        return query.select_from(runs)
    return query.join_from(runs, tenant, tenant.c.id == runs.c.tenant_id)


def select_events() -> Select[Any]:
    """Select events, each with its run right after the event."""
    return (
        select(
            *_columns(operation_run, run_event),
            run_event.c.seq,
            run_event.c.kind,
            run_event.c.previous_bucket,
            run_event.c.occurred_at,
        )
        .join_from(
            run_event,
            operation_run,
            (operation_run.c.tenant_id == run_event.c.tenant_id)
            & (operation_run.c.id == run_event.c.run_id),
        )
        .join(tenant, tenant.c.id == run_event.c.tenant_id)
    )


def readable(runs: Sequence[OperationRun]) -> list[OperationRun]:
    """Return the runs without those that have a status that only a newer version knows."""
    known = []
    for run in runs:
        with suppress(ValueError):
            run.status  # noqa: B018 - raises ValueError
            known.append(run)
    return known


class UnreadableEventError(Exception):
    """An event has a value that only a newer version knows, such as a status."""

    def __init__(self, seq: int) -> None:
        super().__init__(f"event {seq}")
        self.seq = seq


def event_of(row: AnyRow) -> RunEvent:
    """Build the event from a row of `select_events`; raise UnreadableEventError."""
    run = OperationRun(row)
    try:
        run.status  # noqa: B018 - raises ValueError
        previous = row["previous_bucket"]
        return RunEvent(
            seq=row["seq"],
            kind=RunEventKind(row["kind"]),
            run=run,
            previous_bucket=StatusBucket(previous) if previous else None,
            occurred_at=row["occurred_at"],
        )
    except ValueError as error:
        raise UnreadableEventError(row.seq) from error
