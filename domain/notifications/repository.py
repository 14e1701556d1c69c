"""All SQL about notifications."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, Select, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.notifications.models import Notification, NotificationOutcome
from domain.tables import notification


def _notification(row: Row[*tuple[Any, ...]]) -> Notification:
    return Notification(
        tenant_id=row.tenant_id,
        id=row.id,
        recipient_id=row.recipient_id,
        run_id=row.run_id,
        seq=row.seq,
        outcome=NotificationOutcome(row.outcome),
        created_at=row.created_at,
        read_at=row.read_at,
    )


def _of(tenant_id: UUID, recipient_id: UUID) -> Select[Any]:
    return select(notification).where(
        notification.c.tenant_id == tenant_id, notification.c.recipient_id == recipient_id
    )


async def add(
    connection: AsyncConnection,
    tenant_id: UUID,
    recipient_id: UUID,
    run_id: UUID,
    seq: int,
    outcome: NotificationOutcome,
) -> None:
    """Write the one notification of this outcome; a second one violates a unique index."""
    await connection.execute(
        insert(notification).values(
            tenant_id=tenant_id,
            id=uuid4(),
            recipient_id=recipient_id,
            run_id=run_id,
            seq=seq,
            outcome=outcome,
        )
    )


async def page(
    connection: AsyncConnection,
    tenant_id: UUID,
    recipient_id: UUID,
    *,
    before_seq: int | None,
    unread_only: bool,
    limit: int,
) -> Sequence[Notification]:
    """Return the newest notifications, older than `before_seq` if given."""
    query = _of(tenant_id, recipient_id).order_by(notification.c.seq.desc()).limit(limit)
    if before_seq is not None:
        query = query.where(notification.c.seq < before_seq)
    if unread_only:
        query = query.where(notification.c.read_at.is_(None))
    return [_notification(row) for row in await connection.execute(query)]


async def after(
    connection: AsyncConnection,
    tenant_id: UUID,
    recipient_id: UUID,
    *,
    seq: int,
    until_seq: int,
    limit: int,
) -> Sequence[Notification]:
    """Return the notifications with `seq` < their seq <= `until_seq`, oldest first."""
    query = (
        _of(tenant_id, recipient_id)
        .where(notification.c.seq > seq, notification.c.seq <= until_seq)
        .order_by(notification.c.seq)
        .limit(limit)
    )
    return [_notification(row) for row in await connection.execute(query)]


async def by_ids(
    connection: AsyncConnection, tenant_id: UUID, recipient_id: UUID, ids: Sequence[UUID]
) -> Sequence[Notification]:
    """Return the user's notifications among `ids`."""
    query = _of(tenant_id, recipient_id).where(notification.c.id.in_(ids))
    return [_notification(row) for row in await connection.execute(query)]


async def unread_count(connection: AsyncConnection, tenant_id: UUID, recipient_id: UUID) -> int:
    """Return how many notifications the user has not read."""
    return (
        await connection.execute(
            select(func.count()).where(
                notification.c.tenant_id == tenant_id,
                notification.c.recipient_id == recipient_id,
                notification.c.read_at.is_(None),
            )
        )
    ).scalar_one()


async def mark_read(
    connection: AsyncConnection, tenant_id: UUID, recipient_id: UUID, ids: Sequence[UUID]
) -> None:
    """Mark the user's notifications among `ids` as read; the first time of reading stays."""
    await connection.execute(
        update(notification)
        .where(
            notification.c.tenant_id == tenant_id,
            notification.c.recipient_id == recipient_id,
            notification.c.id.in_(ids),
            notification.c.read_at.is_(None),
        )
        .values(read_at=func.clock_timestamp())
    )
