"""The guarded changes of a run: one statement each, which does nothing if the run has moved on.

Each statement enters its tenant, so it needs no transaction (`Transactions.write`).
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BindParameter,
    Integer,
    Interval,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from domain.lifecycle import RunStatus, completed_status
from domain.runs.models import Dispatch, Lease, OperationRun, RunEventKind
from domain.runs.repository.entries import SHARE, claiming
from domain.runs.repository.recording import (
    ACTIVE,
    NEXT_VERSION,
    THE_RUN,
    Failure,
    count_active,
    entry_to_send,
    failing,
    recorded,
)
from domain.runs.repository.rows import select_runs
from domain.runs.run_ids import new_run_id
from domain.tables import operation_run
from domain.tenancy.models import Initiator
from domain.tenancy.session import TenantSession
from domain.tenancy.statements import TENANT, Statement, entering

_now = func.clock_timestamp()
NO_LEASE = {
    **dict.fromkeys(("lease_token", "lease_owner", "lease_expires_at")),
    "waiting_reason": None,
}
WAITING = {**NO_LEASE, "status": RunStatus.PENDING, "last_dispatched_at": None}

DELAY: BindParameter[timedelta] = bindparam("delay", type_=Interval())


_INSERT = recorded(
    upsert(operation_run)
    .values(
        tenant_id=TENANT,
        **{
            name: bindparam(name, type_=operation_run.c[name].type)
            for name in (
                *("id", "resource", "action", "idempotency_key", "subject", "context"),
                *("max_attempts", "initiator_id", "initiator_name", "traceparent"),
            )
        },
    )
    .on_conflict_do_nothing(
        index_elements=["tenant_id", "run_type", "idempotency_key"], index_where=ACTIVE
    ),
    RunEventKind.QUEUED,
    left=None,
)


Created = tuple[OperationRun, Dispatch | None]
"""A new run, and its entry if that must be sent after the commit."""


async def insert_pending(
    session: TenantSession,
    *,
    resource: str,
    action: str,
    key: bytes,
    subject: str,
    context: Mapping[str, Any],
    attempts: int,
    initiator: Initiator,
    traceparent: str | None,
    share: int,
    active_limit: int | None,
) -> Created | None:
    """Add a pending run and put it into the outbox; None if an active run has the same key.

    Also returns its entry if fewer than `share` runs of the tenant are dispatched or running.

    Raises:
        RefusedError: the tenant may have more than `active_limit` active runs.
    """
    row = await session.one_or_none(
        _INSERT,
        {
            "id": new_run_id(),
            "resource": resource,
            "action": action,
            "idempotency_key": key,
            "subject": subject,
            "context": context,
            "max_attempts": attempts,
            "initiator_id": initiator.id,
            "initiator_name": initiator.name,
            "traceparent": traceparent,
            SHARE.key: share,
            "active_limit": active_limit,
        },
    )
    return row and (OperationRun(row), entry_to_send(row))


_COUNT_ACTIVE = Statement(select(count_active))


async def count_active_runs(session: TenantSession, limit: int) -> int:
    """Count the tenant's active runs, up to `limit`."""
    return await session.scalar(_COUNT_ACTIVE, {"active_limit": limit})


_ACTIVE_WITH_KEY = Statement(
    select_runs().where(
        operation_run.c.tenant_id == TENANT,
        operation_run.c.run_type == bindparam("run_type"),
        operation_run.c.idempotency_key == bindparam("key"),
        ACTIVE,
    )
)


async def active_with_key(session: TenantSession, run_type: str, key: bytes) -> OperationRun | None:
    """Return the active run with this key."""
    return await _run_of(session, _ACTIVE_WITH_KEY, {"run_type": run_type, "key": key})


_LEASE: BindParameter[timedelta] = bindparam("duration", type_=Interval())
_CLAIM = recorded(
    update(operation_run)
    .where(
        THE_RUN,
        operation_run.c.status == RunStatus.PENDING,
        operation_run.c.attempt < operation_run.c.max_attempts,
        operation_run.c.not_before <= _now,
    )
    .values(
        status=RunStatus.RUNNING,
        attempt=operation_run.c.attempt + 1,
        lease_token=func.gen_random_uuid(),
        lease_owner=bindparam("owner", type_=Text()),
        lease_expires_at=_now + _LEASE,
        started_at=func.coalesce(operation_run.c.started_at, _now),
        last_dispatched_at=func.coalesce(operation_run.c.last_dispatched_at, _now),
        **NEXT_VERSION,
    ),
    RunEventKind.STARTED,
    left=RunStatus.PENDING,
    more=lambda run: {"entry": claiming(run)},
)


async def claim(
    session: TenantSession, run_id: UUID, *, owner: str, lease: timedelta
) -> tuple[OperationRun, Lease] | None:
    """Give a pending run to one worker; None if the message is a duplicate or too early."""
    values = {"the_run": run_id, "owner": owner, "duration": lease}
    row = await session.one_or_none(_CLAIM, values)
    return row and (OperationRun(row), Lease(run_id, row.attempt, row.lease_token))


_HOLDS = and_(
    THE_RUN,
    operation_run.c.status == RunStatus.RUNNING,
    operation_run.c.attempt == bindparam("held_attempt", type_=Integer()),
    operation_run.c.lease_token == bindparam("held_token", type_=Uuid()),
)
FENCED = update(operation_run).where(_HOLDS)


def held(lease: Lease, **more: Any) -> dict[str, Any]:
    """Return the parameters of `_HOLDS`, and more."""
    return {
        "the_run": lease.run_id,
        "held_attempt": lease.attempt,
        "held_token": lease.token,
        **more,
    }


_HEARTBEAT = entering(
    select(FENCED.values(lease_expires_at=_now + _LEASE).returning(operation_run.c.id).cte("beat"))
)
_LOCK = Statement(select(operation_run.c.id).where(_HOLDS).with_for_update())
_SET_TOTAL = recorded(
    FENCED.values(total=bindparam("new_total", type_=Integer()), **NEXT_VERSION),
    RunEventKind.PROGRESSED,
    left=RunStatus.RUNNING,
)
_SET_WAITING = recorded(
    FENCED.values(waiting_reason=bindparam("new_reason", type_=Text()), **NEXT_VERSION),
    RunEventKind.PROGRESSED,
    left=RunStatus.RUNNING,
)


async def heartbeat(session: TenantSession, lease: Lease, duration: timedelta) -> bool:
    """Extend the lease to `duration` from now; False if the lease is lost.

    Adds no event, and leaves `version` as it is.
    """
    values = held(lease, duration=duration)
    return await session.one_or_none(_HEARTBEAT, values) is not None


async def lock(session: TenantSession, lease: Lease) -> bool:
    """Lock the run's row until the transaction ends; False if the lease is lost."""
    return await session.one_or_none(_LOCK, held(lease)) is not None


async def set_total(session: TenantSession, lease: Lease, total: int) -> OperationRun | None:
    """Set the number of items, including those of earlier attempts; None without the lease."""
    return await _run_of(session, _SET_TOTAL, held(lease, new_total=total))


async def set_waiting(
    session: TenantSession, lease: Lease, reason: str | None
) -> OperationRun | None:
    """Set why the running run waits; None if it goes on. None is returned without the lease."""
    return await _run_of(session, _SET_WAITING, held(lease, new_reason=reason))


def _end(status: Any, **effects: Any) -> Statement:
    change = FENCED.values(status=status, finished_at=_now, **NEXT_VERSION, **NO_LEASE)
    return recorded(
        change, RunEventKind.FINISHED, left=RunStatus.RUNNING, makes_room=True, **effects
    )


_COMPLETE = _end(
    case((operation_run.c.failed > 0, completed_status(failed=1)), else_=completed_status(failed=0))
)
_FAIL = _end(RunStatus.FAILED, more=failing)
_RELEASE = recorded(
    FENCED.values(
        max_attempts=operation_run.c.max_attempts + 1,
        not_before=_now + DELAY,
        **NEXT_VERSION,
        **WAITING,
    ),
    RunEventKind.REQUEUED,
    left=RunStatus.RUNNING,
)


async def finish(
    session: TenantSession, lease: Lease, failure: Failure | None, *, share: int
) -> tuple[OperationRun, Dispatch | None] | None:
    """End a run as FAILED, or with the status of its counts; None if the lease is lost.

    Also returns the tenant's next entry, which gets the run's place in the tenant's `share`.
    """
    values = held(lease, **{SHARE.key: share})
    if failure is None:
        row = await session.one_or_none(_COMPLETE, values)
    else:
        row = await session.one_or_none(_FAIL, {**values, **failure._asdict()})
    return row and (OperationRun(row), entry_to_send(row))


async def release(session: TenantSession, lease: Lease, delay: timedelta) -> OperationRun | None:
    """Return a run to the queue without counting the attempt; None if the lease is lost."""
    return await _run_of(session, _RELEASE, held(lease, delay=delay))


async def _run_of(
    session: TenantSession, statement: Statement, values: Mapping[str, Any]
) -> OperationRun | None:
    row = await session.one_or_none(statement, values)
    return row and OperationRun(row)
