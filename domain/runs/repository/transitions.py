"""The guarded changes of a run: one statement each, which does nothing if the run has moved on.

Every change raises `version`, which counts events. The caller therefore emits the event
(`feed.emit`) right after the change, in the same transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Update, and_, case, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import Insert
from sqlalchemy.dialects.postgresql import insert as upsert

from domain.lifecycle import RunStatus, completed_status
from domain.runs.failures import FailureReason
from domain.runs.models import ItemOutcome, Lease
from domain.tables import operation_run, outbox, run_failure, run_item
from domain.tenancy.models import Initiator
from domain.tenancy.session import TenantSession

_now = func.clock_timestamp()
_ACTIVE = text("status IN ('pending', 'running')")
NO_LEASE = {"lease_token": None, "lease_owner": None, "lease_expires_at": None}
WAITING = {**NO_LEASE, "status": RunStatus.PENDING, "last_dispatched_at": None}


@dataclass(frozen=True, slots=True)
class ItemResult:
    """The outcome of one item; it has a `reason` if it failed, a `message` unless it succeeded."""

    key: str
    outcome: ItemOutcome
    reason: FailureReason | None = None
    message: str = ""


async def insert_pending(
    session: TenantSession,
    *,
    resource: str,
    action: str,
    key: bytes,
    subject: str,
    context: Mapping[str, Any],
    initiator: Initiator,
    traceparent: str | None,
) -> UUID | None:
    """Add a pending run; None if an active run has the same key."""
    adding = upsert(operation_run).values(
        tenant_id=session.tenant_id,
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
    return await session.scalar_or_none(
        adding.on_conflict_do_nothing(
            index_elements=["tenant_id", "run_type", "idempotency_key"], index_where=_ACTIVE
        ).returning(operation_run.c.id)
    )


async def count_active(session: TenantSession, *, limit: int) -> int:
    """Count the tenant's active runs, up to `limit`."""
    some = (
        select(operation_run.c.tenant_id)
        .where(operation_run.c.tenant_id == session.tenant_id, _ACTIVE)
        .limit(limit)
        .subquery()
    )
    return await session.scalar(select(func.count()).select_from(some))


async def active_with_key(session: TenantSession, run_type: str, key: bytes) -> UUID | None:
    """Return the active run with this key."""
    return await session.scalar_or_none(
        select(operation_run.c.id).where(
            operation_run.c.tenant_id == session.tenant_id,
            operation_run.c.run_type == run_type,
            operation_run.c.idempotency_key == key,
            _ACTIVE,
        )
    )


def is_run(session: TenantSession, run_id: UUID) -> ColumnElement[bool]:
    return and_(operation_run.c.tenant_id == session.tenant_id, operation_run.c.id == run_id)


def _outbox_entry(session: TenantSession, run_id: UUID, due: ColumnElement[datetime]) -> Insert:
    run = select(
        operation_run.c.tenant_id, operation_run.c.id, operation_run.c.run_type, due
    ).where(is_run(session, run_id))
    return upsert(outbox).from_select(["tenant_id", "run_id", "run_type", "not_before"], run)


async def enqueue(session: TenantSession, run_id: UUID) -> None:
    """Put a new run into the outbox."""
    await session.execute(_outbox_entry(session, run_id, _now))


async def reenqueue(session: TenantSession, run_id: UUID, delay: timedelta) -> None:
    """Put a run into the outbox again, due after `delay`; replace its entry if there is one.

    A duplicate message may have led a worker to claim the run before its entry was sent.
    """
    entry = _outbox_entry(session, run_id, _now + delay)
    await session.execute(
        entry.on_conflict_do_update(
            index_elements=[outbox.c.tenant_id, outbox.c.run_id],
            set_={"not_before": entry.excluded.not_before},
        )
    )


async def claim(
    session: TenantSession, run_id: UUID, *, owner: str, lease: timedelta
) -> Lease | None:
    """Give a pending run to one worker; None if the message is a duplicate or too early."""
    row = await session.one_or_none(
        update(operation_run)
        .where(
            is_run(session, run_id),
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
    return Lease(run_id, row.attempt, row.lease_token) if row else None


def _holds(session: TenantSession, lease: Lease) -> ColumnElement[bool]:
    return and_(
        is_run(session, lease.run_id),
        operation_run.c.status == RunStatus.RUNNING,
        operation_run.c.attempt == lease.attempt,
        operation_run.c.lease_token == lease.token,
    )


def _fenced_update(session: TenantSession, lease: Lease) -> Update:
    return update(operation_run).where(_holds(session, lease))


async def heartbeat(session: TenantSession, lease: Lease, duration: timedelta) -> bool:
    """Extend the lease to `duration` from now; False if the lease is lost.

    Adds no event, and leaves `version` as it is.
    """
    extending = _fenced_update(session, lease).values(lease_expires_at=_now + duration)
    return await session.execute(extending) == 1


async def lock(session: TenantSession, lease: Lease) -> bool:
    """Lock the run's row until the transaction ends; False if the lease is lost."""
    row = select(operation_run.c.id).where(_holds(session, lease)).with_for_update()
    return await session.one_or_none(row) is not None


async def set_total(session: TenantSession, lease: Lease, total: int) -> bool:
    """Set the number of items, including those of earlier attempts; False without the lease."""
    setting = _fenced_update(session, lease).values(
        total=total, version=operation_run.c.version + 1
    )
    return await session.execute(setting) == 1


async def record_items(session: TenantSession, lease: Lease, items: Sequence[ItemResult]) -> bool:
    """Write each item once, and add exactly the new items to the counts (R4).

    The caller has locked the run's row (`lock`). The first outcome of an item stands, within
    `items` as well as across attempts. Without a new item, returns False and leaves `version` as
    it is.
    """
    first = {item.key: item for item in reversed(items)}
    adding = upsert(run_item).values(
        [
            {
                "tenant_id": session.tenant_id,
                "run_id": lease.run_id,
                "item_key": item.key,
                "outcome": item.outcome,
                "attempt": lease.attempt,
                "skip_reason": item.message if item.outcome is ItemOutcome.SKIPPED else None,
            }
            for item in first.values()
        ]
    )
    added = adding.on_conflict_do_nothing().returning(run_item.c.item_key)
    new = [first[key] for key in await session.scalars(added)]
    if not new:
        return False
    failures = [
        _failure(session, lease.run_id, item.key, item.reason, item.message, lease.attempt)
        for item in new
        if item.reason is not None
    ]
    if failures:
        await session.execute(insert(run_failure).values(failures))
    counts = {
        outcome.value: operation_run.c[outcome.value]
        + sum(1 for item in new if item.outcome is outcome)
        for outcome in ItemOutcome
    }
    await session.execute(
        _fenced_update(session, lease).values(**counts, version=operation_run.c.version + 1)
    )
    return True


async def add_failure(
    session: TenantSession,
    run_id: UUID,
    *,
    reason: FailureReason,
    message: str,
    attempt: int,
    error_id: str | None = None,
) -> None:
    """Record why the run failed as a whole, with a sanitized message."""
    row = _failure(session, run_id, "", reason, message, attempt)
    await session.execute(insert(run_failure).values({**row, "error_id": error_id}))


def _failure(
    session: TenantSession,
    run_id: UUID,
    item_key: str,
    reason: FailureReason,
    message: str,
    attempt: int,
) -> dict[str, Any]:
    return {
        "tenant_id": session.tenant_id,
        "run_id": run_id,
        "item_key": item_key,
        "reason": reason,
        "message": message,
        "attempt": attempt,
    }


async def finish(session: TenantSession, lease: Lease, *, failed: bool) -> RunStatus | None:
    """End a run as FAILED, or with the status of its counts; None if the lease is lost."""
    by_counts = case(
        (operation_run.c.failed > 0, completed_status(failed=1)), else_=completed_status(failed=0)
    )
    status = await session.scalar_or_none(
        _fenced_update(session, lease)
        .values(
            status=RunStatus.FAILED if failed else by_counts,
            finished_at=_now,
            version=operation_run.c.version + 1,
            **NO_LEASE,
        )
        .returning(operation_run.c.status)
    )
    return RunStatus(status) if status else None


async def release(session: TenantSession, lease: Lease, delay: timedelta) -> bool:
    """Return a run to the queue without counting the attempt; False if the lease is lost."""
    releasing = _fenced_update(session, lease).values(
        max_attempts=operation_run.c.max_attempts + 1,
        not_before=_now + delay,
        version=operation_run.c.version + 1,
        **WAITING,
    )
    return await session.execute(releasing) == 1
