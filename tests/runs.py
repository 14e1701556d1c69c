"""Runs that were never stored."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from domain.lifecycle import RunStatus
from domain.runs.models import OperationRun

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

_QUEUED = {
    "tenant_id": UUID(int=1),
    "id": UUID(int=2),
    "resource": "inventory",
    "action": "sync",
    "status": RunStatus.PENDING,
    "total": None,
    "succeeded": 0,
    "failed": 0,
    "skipped": 0,
    "initiator_id": UUID(int=3),
    "initiator_name": "Ada",
    "subject": "prod",
    "context": {"scopeKey": "prod"},
    "attempt": 0,
    "version": 1,
    "created_at": NOON,
    "started_at": None,
    "finished_at": None,
    "expires_at": None,
    "observed_at": NOON,
}


def queued_run(**columns: Any) -> OperationRun:
    """Return a run that was queued at noon, with changed columns."""
    return OperationRun({**_QUEUED, **columns})


def changed(run: OperationRun, **columns: Any) -> OperationRun:
    """Return a copy of a run with changed columns."""
    return OperationRun({**dict(run.row), **columns})
