"""All SQL about notifications; members see only those that they received (P4)."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Select, and_, func, insert, select, update

from domain.notifications.models import Notification, NotificationOutcome
from domain.tables import notification
from domain.tenancy.session import AnyRow, TenantSession


def _notification(row: AnyRow) -> Notification:
    return Notification(**{**row._asdict(), "outcome": NotificationOutcome(row.outcome)})


def _own(session: TenantSession) -> ColumnElement[bool]:
    table = notification.c
    return and_(table.tenant_id == session.tenant_id, table.recipient_id == session.user_id)


def _select_own(session: TenantSession) -> Select[Any]:
    return select(notification).where(_own(session))


async def add(
    session: TenantSession, recipient_id: UUID, run_id: UUID, seq: int, outcome: NotificationOutcome
) -> None:
    """Write the notification; a second one with this outcome violates a unique index."""
    await session.execute(
        insert(notification).values(
            tenant_id=session.tenant_id,
            id=uuid4(),
            recipient_id=recipient_id,
            run_id=run_id,
            seq=seq,
            outcome=outcome,
        )
    )


async def page(
    session: TenantSession, *, after: int | None, unread_only: bool, limit: int
) -> Sequence[Notification]:
    """Return a page of the member's notifications, newest first."""
    query = _select_own(session).order_by(notification.c.seq.desc()).limit(limit)
    if after is not None:
        query = query.where(notification.c.seq < after)
    if unread_only:
        query = query.where(notification.c.read_at.is_(None))
    return [_notification(row) for row in await session.rows(query)]


async def after(
    session: TenantSession, *, seq: int, until_seq: int, limit: int
) -> Sequence[Notification]:
    """Return the member's notifications with `seq` < their seq <= `until_seq`, oldest first."""
    query = _select_own(session).where(notification.c.seq > seq, notification.c.seq <= until_seq)
    rows = await session.rows(query.order_by(notification.c.seq).limit(limit))
    return [_notification(row) for row in rows]


async def by_ids(session: TenantSession, ids: Sequence[UUID]) -> Mapping[UUID, Notification]:
    """Return the member's notifications with these ids."""
    rows = await session.rows(_select_own(session).where(notification.c.id.in_(ids)))
    return {row.id: _notification(row) for row in rows}


async def unread_count(session: TenantSession) -> int:
    """Return the number of the member's unread notifications."""
    return await session.scalar(
        select(func.count()).where(_own(session), notification.c.read_at.is_(None))
    )


async def mark_read(session: TenantSession, ids: Sequence[UUID]) -> None:
    """Mark the member's notifications as read; the time of the first call stays."""
    await session.execute(
        update(notification)
        .where(_own(session), notification.c.id.in_(ids), notification.c.read_at.is_(None))
        .values(read_at=func.clock_timestamp())
    )
