"""The columns and read models that all statements over runs and events share."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import Select, func, select

from domain.lifecycle import RunStatus, StatusBucket
from domain.runs.models import OperationRun, RunCounts, RunEvent, RunEventKind
from domain.tables import operation_run, run_event, tenant
from domain.tenancy.models import Initiator
from domain.tenancy.session import AnyRow

_FIXED = (
    operation_run.c.tenant_id,
    operation_run.c.id,
    operation_run.c.resource,
    operation_run.c.action,
    operation_run.c.initiator_id,
    operation_run.c.initiator_name,
    operation_run.c.subject,
    operation_run.c.context,
    operation_run.c.created_at,
)
# The columns that an event copies from its run.
CHANGING = (
    "status",
    "total",
    "succeeded",
    "failed",
    "skipped",
    "attempt",
    "version",
    "started_at",
    "finished_at",
)


def _columns(source: Any) -> list[Any]:
    expires_at = source.c.finished_at + func.make_interval(0, 0, 0, tenant.c.retention_days)
    return [
        *_FIXED,
        *(source.c[name] for name in CHANGING),
        expires_at.label("expires_at"),
        func.clock_timestamp().label("observed_at"),
    ]


def select_runs() -> Select[Any]:
    """Select runs in their current state."""
    return select(*_columns(operation_run)).join_from(
        operation_run, tenant, tenant.c.id == operation_run.c.tenant_id
    )


def select_events() -> Select[Any]:
    """Select events, each with its run right after the event."""
    return (
        select(
            *_columns(run_event),
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


def run_of(row: AnyRow) -> OperationRun:
    """Build the run from a row of `select_runs` or `select_events`."""
    return OperationRun(
        tenant_id=row.tenant_id,
        id=row.id,
        resource=row.resource,
        action=row.action,
        status=RunStatus(row.status),
        counts=RunCounts(row.total, row.succeeded, row.failed, row.skipped),
        initiator=Initiator(row.initiator_id, row.initiator_name),
        subject=row.subject,
        context=row.context,
        attempt=row.attempt,
        version=row.version,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        expires_at=row.expires_at,
        observed_at=row.observed_at,
    )


def runs_of(rows: Sequence[AnyRow]) -> list[OperationRun]:
    """Build the runs from rows of `select_runs`."""
    return [run_of(row) for row in rows]


def readable_runs_of(rows: Sequence[AnyRow]) -> list[OperationRun]:
    """Build the runs without those that have a status that only a newer version knows."""
    readable = []
    for row in rows:
        with suppress(ValueError):
            readable.append(run_of(row))
    return readable


class UnreadableEventError(Exception):
    """An event has a value that only a newer version knows, such as a status."""

    def __init__(self, seq: int) -> None:
        super().__init__(f"event {seq}")
        self.seq = seq


def event_of(row: AnyRow) -> RunEvent:
    """Build the event from a row of `select_events`; raise UnreadableEventError."""
    try:
        return RunEvent(
            seq=row.seq,
            kind=RunEventKind(row.kind),
            run=run_of(row),
            previous_bucket=StatusBucket(row.previous_bucket) if row.previous_bucket else None,
            occurred_at=row.occurred_at,
        )
    except ValueError as error:
        raise UnreadableEventError(row.seq) from error
