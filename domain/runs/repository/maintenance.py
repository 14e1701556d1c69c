"""The statements that rescue, abort and delete runs.

They lock rows with SKIP LOCKED, so that maintenance processes share the work. All times are the
database's. After the database restarts, leases get more time, because no heartbeat could arrive.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import (
    CTE,
    BindParameter,
    ColumnElement,
    Interval,
    UpdateBase,
    bindparam,
    delete,
    func,
    select,
    update,
)

from domain.lifecycle import RunStatus
from domain.runs.models import OperationRun, RunEventKind
from domain.runs.repository.entries import dropping
from domain.runs.repository.recording import NEXT_VERSION, THE_RUN, Failure, failing, recorded
from domain.runs.repository.serving import is_served
from domain.runs.repository.transitions import DELAY, NO_LEASE, WAITING
from domain.tables import operation_run, run_event
from domain.tenancy.session import InstallationSession, TenantSession
from domain.tenancy.statements import TENANT, Statement, any_of

_now = func.clock_timestamp()


@dataclass(frozen=True, slots=True)
class RunKey:
    """A locked run of any tenant, with its attempt."""

    tenant_id: UUID
    run_id: UUID
    attempt: int
    attempts_left: bool
    run_type: str
    is_served: bool


def _first_run(*conditions: ColumnElement[bool], by: ColumnElement[datetime]) -> Statement:
    return Statement(
        select(
            operation_run.c.tenant_id,
            operation_run.c.id,
            operation_run.c.attempt,
            (operation_run.c.attempt < operation_run.c.max_attempts).label("attempts_left"),
            operation_run.c.run_type,
            is_served(operation_run.c.run_type).label("is_served"),
        )
        .where(*conditions)
        .order_by(by)
        .limit(1)
        .with_for_update(skip_locked=True)
    )


_GRACE: BindParameter[timedelta] = bindparam("grace", type_=Interval())
_judged_from = func.greatest(
    operation_run.c.lease_expires_at, func.pg_postmaster_start_time() + _GRACE
)
_EXPIRED = _first_run(
    operation_run.c.status == RunStatus.RUNNING,
    operation_run.c.lease_expires_at < _now - _GRACE,
    _judged_from + _GRACE < _now,
    by=operation_run.c.lease_expires_at,
)
_FORGOTTEN = _first_run(
    operation_run.c.status == RunStatus.PENDING,
    operation_run.c.not_before < _now - bindparam("wait", type_=Interval()),
    by=operation_run.c.not_before,
)


async def take_expired(session: InstallationSession, *, grace: timedelta) -> RunKey | None:
    """Lock one running run whose lease ended longer than `grace` ago."""
    row = await session.one_or_none(_EXPIRED, {"grace": grace})
    return RunKey(*row) if row else None


async def take_forgotten(session: InstallationSession, *, limit: timedelta) -> RunKey | None:
    """Lock one pending run that no worker took within `limit`."""
    row = await session.one_or_none(_FORGOTTEN, {"wait": limit})
    return RunKey(*row) if row else None


_the_run = update(operation_run).where(THE_RUN)
_REQUEUE = recorded(
    _the_run.values(not_before=_now + DELAY, **NEXT_VERSION, **WAITING),
    RunEventKind.REQUEUED,
    left=RunStatus.RUNNING,
)


def _end(
    status: RunStatus,
    *,
    left: RunStatus,
    more: Callable[[CTE], Mapping[str, UpdateBase]] = failing,
) -> Statement:
    change = _the_run.values(status=status, finished_at=_now, **NEXT_VERSION, **NO_LEASE)
    return recorded(change, RunEventKind.FINISHED, left=left, more=more)


_FAIL = _end(RunStatus.FAILED, left=RunStatus.RUNNING)
_ABORT = _end(
    RunStatus.ABORTED,
    left=RunStatus.PENDING,
    more=lambda run: {**failing(run), "entry": dropping(run)},
)


async def requeue(session: TenantSession, run_id: UUID, *, delay: timedelta) -> None:
    """Return a locked, expired run to the queue, due after `delay`."""
    await session.one(_REQUEUE, {"the_run": run_id, "delay": delay})


async def fail(session: TenantSession, run_id: UUID, failure: Failure) -> OperationRun:
    """End a locked, expired run."""
    return OperationRun(await session.one(_FAIL, {"the_run": run_id, **failure._asdict()}))


async def abort(session: TenantSession, run_id: UUID, failure: Failure) -> OperationRun:
    """End a locked, forgotten run."""
    return OperationRun(await session.one(_ABORT, {"the_run": run_id, **failure._asdict()}))


_HIGHEST_SEQ = Statement(
    select(func.coalesce(func.max(run_event.c.seq), 0)).where(
        run_event.c.tenant_id == TENANT, any_of(run_event.c.run_id, "ids")
    )
)
_DELETE_RUNS = Statement(
    delete(operation_run).where(
        operation_run.c.tenant_id == TENANT, any_of(operation_run.c.id, "ids")
    )
)


async def delete_runs(session: TenantSession, run_ids: Sequence[UUID]) -> int:
    """Delete runs with all their rows; return their highest event number, or 0."""
    highest: int = await session.scalar(_HIGHEST_SEQ, {"ids": run_ids})
    await session.execute(_DELETE_RUNS, {"ids": run_ids})
    return highest
