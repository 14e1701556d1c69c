"""The guarded changes of a run: each one statement, each refused when the run has moved on.

Whoever calls one of these emits the event right after, in the same transaction
(`feed.emit`), because every change raises `version` and `version` counts events.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Update, case, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import Insert
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.lifecycle import RunStatus, completed_status
from domain.runs.failures import FailureReason
from domain.runs.models import ItemOutcome, Lease
from domain.tables import operation_run, outbox, run_failure, run_item
from domain.tenancy.models import Initiator

_now = func.clock_timestamp()
_ACTIVE = text("status IN ('pending', 'running')")
NO_LEASE = {"lease_token": None, "lease_owner": None, "lease_expires_at": None}
WAITING = {**NO_LEASE, "status": RunStatus.PENDING, "last_dispatched_at": None}


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What became of one item; `reason` for a failed one, a message unless it succeeded."""

    key: str
    outcome: ItemOutcome
    reason: FailureReason | None = None
    message: str = ""


async def insert_pending(
    connection: AsyncConnection,
    tenant_id: UUID,
    *,
    resource: str,
    action: str,
    key: bytes,
    subject: str,
    context: Mapping[str, Any],
    initiator: Initiator,
    traceparent: str | None,
) -> UUID | None:
    """Add a pending run; None when an active one holds the key."""
    adding = upsert(operation_run).values(
        tenant_id=tenant_id,
        id=uuid4(),
        resource=resource,
        action=action,
        idempotency_key=key,
        subject=subject,
        context=context,
        initiator_id=initiator.id,
        initiator_name=initiator.name,
        traceparent=traceparent,
    )
    run_id: UUID | None = (
        await connection.execute(
            adding.on_conflict_do_nothing(
                index_elements=["tenant_id", "run_type", "idempotency_key"],
                index_where=_ACTIVE,
            ).returning(operation_run.c.id)
        )
    ).scalar_one_or_none()
    return run_id


async def count_active(connection: AsyncConnection, tenant_id: UUID, *, limit: int) -> int:
    """Return how many runs of the tenant are active, looking at `limit` at most."""
    some = (
        select(operation_run.c.tenant_id)
        .where(operation_run.c.tenant_id == tenant_id, _ACTIVE)
        .limit(limit)
        .subquery()
    )
    count: int = (await connection.execute(select(func.count()).select_from(some))).scalar_one()
    return count


async def active_with_key(
    connection: AsyncConnection, tenant_id: UUID, run_type: str, key: bytes
) -> UUID | None:
    """Return the active run that holds the key."""
    return (
        await connection.execute(
            select(operation_run.c.id).where(
                operation_run.c.tenant_id == tenant_id,
                operation_run.c.run_type == run_type,
                operation_run.c.idempotency_key == key,
                _ACTIVE,
            )
        )
    ).scalar_one_or_none()


def _order(tenant_id: UUID, run_id: UUID, due: ColumnElement[datetime]) -> Insert:
    run = select(
        operation_run.c.tenant_id, operation_run.c.id, operation_run.c.run_type, due
    ).where(operation_run.c.tenant_id == tenant_id, operation_run.c.id == run_id)
    return upsert(outbox).from_select(["tenant_id", "run_id", "run_type", "not_before"], run)


async def enqueue(connection: AsyncConnection, tenant_id: UUID, run_id: UUID) -> None:
    """Put the order to send this new run to a worker into the outbox."""
    await connection.execute(_order(tenant_id, run_id, _now))


async def reenqueue(
    connection: AsyncConnection, tenant_id: UUID, run_id: UUID, delay: timedelta
) -> None:
    """Put the order to send this run once more, after `delay`, in place of one that is there.

    One may be: a run can be claimed before its order is sent, on a message that came twice.
    """
    order = _order(tenant_id, run_id, _now + delay)
    await connection.execute(
        order.on_conflict_do_update(
            index_elements=[outbox.c.tenant_id, outbox.c.run_id],
            set_={"not_before": order.excluded.not_before},
        )
    )


async def claim(
    connection: AsyncConnection, tenant_id: UUID, run_id: UUID, *, owner: str, lease: timedelta
) -> Lease | None:
    """Take a pending run for one worker; None for a duplicate or early delivery."""
    row = (
        await connection.execute(
            update(operation_run)
            .where(
                operation_run.c.tenant_id == tenant_id,
                operation_run.c.id == run_id,
                operation_run.c.status == RunStatus.PENDING,
                operation_run.c.attempt < operation_run.c.max_attempts,
                operation_run.c.not_before <= _now,
            )
            .values(
                status=RunStatus.RUNNING,
                attempt=operation_run.c.attempt + 1,
                version=operation_run.c.version + 1,
                lease_token=func.gen_random_uuid(),
                lease_owner=owner,
                lease_expires_at=_now + lease,
                started_at=func.coalesce(operation_run.c.started_at, _now),
                last_dispatched_at=func.coalesce(operation_run.c.last_dispatched_at, _now),
            )
            .returning(operation_run.c.attempt, operation_run.c.lease_token)
        )
    ).one_or_none()
    return Lease(tenant_id, run_id, row.attempt, row.lease_token) if row else None


def _held(lease: Lease) -> Update:
    return update(operation_run).where(
        operation_run.c.tenant_id == lease.tenant_id,
        operation_run.c.id == lease.run_id,
        operation_run.c.status == RunStatus.RUNNING,
        operation_run.c.attempt == lease.attempt,
        operation_run.c.lease_token == lease.token,
    )


async def heartbeat(connection: AsyncConnection, lease: Lease, duration: timedelta) -> bool:
    """Extend the lease; False when it is no longer ours. Raises no version and no event."""
    done = await connection.execute(_held(lease).values(lease_expires_at=_now + duration))
    return done.rowcount == 1


async def lock(connection: AsyncConnection, lease: Lease) -> bool:
    """Fence: hold the run's row until the transaction ends; False when the lease is lost."""
    row = await connection.execute(
        select(operation_run.c.id)
        .where(
            operation_run.c.tenant_id == lease.tenant_id,
            operation_run.c.id == lease.run_id,
            operation_run.c.status == RunStatus.RUNNING,
            operation_run.c.attempt == lease.attempt,
            operation_run.c.lease_token == lease.token,
        )
        .with_for_update()
    )
    return row.one_or_none() is not None


async def set_total(connection: AsyncConnection, lease: Lease, total: int) -> bool:
    """State how many items there are, counting those of earlier attempts."""
    done = await connection.execute(
        _held(lease).values(total=total, version=operation_run.c.version + 1)
    )
    return done.rowcount == 1


async def record_items(
    connection: AsyncConnection, lease: Lease, items: Sequence[ItemResult]
) -> bool:
    """Write items once each and move the counts by exactly what was new (R4).

    The caller holds the run's row (`lock`). The first word about an item stands, within
    `items` as well as over all attempts. Returns False when no item was new, and then
    leaves `version` alone.
    """
    first = {item.key: item for item in reversed(items)}
    adding = upsert(run_item).values(
        [
            {
                "tenant_id": lease.tenant_id,
                "run_id": lease.run_id,
                "item_key": item.key,
                "outcome": item.outcome,
                "attempt": lease.attempt,
                "skip_reason": item.message if item.outcome is ItemOutcome.SKIPPED else None,
            }
            for item in first.values()
        ]
    )
    added = await connection.execute(adding.on_conflict_do_nothing().returning(run_item.c.item_key))
    new = [first[key] for key in added.scalars()]
    if not new:
        return False
    failures = [
        _failure(lease.tenant_id, lease.run_id, item.key, item.reason, item.message, lease.attempt)
        for item in new
        if item.reason is not None
    ]
    if failures:
        await connection.execute(insert(run_failure).values(failures))
    counts = {
        outcome.value: operation_run.c[outcome.value]
        + sum(1 for item in new if item.outcome is outcome)
        for outcome in ItemOutcome
    }
    await connection.execute(_held(lease).values(**counts, version=operation_run.c.version + 1))
    return True


async def add_failure(
    connection: AsyncConnection,
    tenant_id: UUID,
    run_id: UUID,
    *,
    reason: FailureReason,
    message: str,
    attempt: int,
    error_id: str | None = None,
) -> None:
    """Write why the run failed as a whole; the message is sanitized."""
    row = _failure(tenant_id, run_id, "", reason, message, attempt)
    await connection.execute(insert(run_failure).values({**row, "error_id": error_id}))


def _failure(
    tenant_id: UUID,
    run_id: UUID,
    item_key: str,
    reason: FailureReason,
    message: str,
    attempt: int,
) -> dict[str, Any]:
    return {
        "tenant_id": tenant_id,
        "run_id": run_id,
        "item_key": item_key,
        "reason": reason,
        "message": message,
        "attempt": attempt,
    }


async def finish(connection: AsyncConnection, lease: Lease, *, failed: bool) -> RunStatus | None:
    """End a run: by its counts, or as failed as a whole. None when the lease is lost."""
    by_counts = case(
        (operation_run.c.failed > 0, completed_status(failed=1)),
        else_=completed_status(failed=0),
    )
    status = (
        await connection.execute(
            _held(lease)
            .values(
                status=RunStatus.FAILED if failed else by_counts,
                finished_at=_now,
                version=operation_run.c.version + 1,
                **NO_LEASE,
            )
            .returning(operation_run.c.status)
        )
    ).scalar_one_or_none()
    return RunStatus(status) if status else None


async def release(connection: AsyncConnection, lease: Lease, delay: timedelta) -> bool:
    """Hand a run back unharmed: the attempt is not charged. False when the lease is lost."""
    done = await connection.execute(
        _held(lease).values(
            max_attempts=operation_run.c.max_attempts + 1,
            not_before=_now + delay,
            version=operation_run.c.version + 1,
            **WAITING,
        )
    )
    return done.rowcount == 1
