"""All SQL about notifications; members see only those that they received (P4)."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import (
    BindParameter,
    FromClause,
    Insert,
    Integer,
    and_,
    bindparam,
    func,
    insert,
    select,
    true,
    update,
)

from domain.notifications.models import Notification, NotificationOutcome
from domain.tables import notification
from domain.tenancy.models import SYSTEM_INITIATOR_ID
from domain.tenancy.session import AnyRow, TenantSession
from domain.tenancy.statements import TENANT, Statement, any_of


def _notification(row: AnyRow) -> Notification:
    return Notification(**{**row, "outcome": NotificationOutcome(row.outcome)})


_table = notification.c
_OWN = and_(_table.tenant_id == TENANT, _table.recipient_id == bindparam("recipient"))
_UNREAD = _table.read_at.is_(None)
_LIMIT: BindParameter[int] = bindparam("limit", type_=Integer())
_AMONG_IDS = any_of(_table.id, "ids")
_own = select(notification).where(_OWN)

_newest = _own.order_by(_table.seq.desc()).limit(_LIMIT)
_before = _newest.where(_table.seq < bindparam("before", type_=_table.seq.type))
# By whether there is a key to continue after, and whether only unread ones count.
_PAGES = {
    (False, False): Statement(_newest),
    (False, True): Statement(_newest.where(_UNREAD)),
    (True, False): Statement(_before),
    (True, True): Statement(_before.where(_UNREAD)),
}
_AFTER = Statement(
    _own.where(
        _table.seq > bindparam("after", type_=_table.seq.type),
        _table.seq <= bindparam("until", type_=_table.seq.type),
    )
    .order_by(_table.seq)
    .limit(_LIMIT)
)
_BY_IDS = Statement(_own.where(_AMONG_IDS))
_UNREAD_COUNT = Statement(select(func.count()).where(_OWN, _UNREAD))
_MARK_READ = Statement(
    update(notification).where(_OWN, _AMONG_IDS, _UNREAD).values(read_at=func.clock_timestamp())
)


def notifying(run: FromClause, event: FromClause) -> Insert:
    """Return the insert that notifies the initiator of a run, unless that is the system.

    The outcome is the bucket of the run: QUEUED or an end. A second notification with the same
    outcome violates a unique index.
    """
    row = {
        "tenant_id": run.c.tenant_id,
        "id": func.gen_random_uuid(),
        "recipient_id": run.c.initiator_id,
        "run_id": run.c.id,
        "seq": event.c.seq,
        "outcome": run.c.status_bucket,
    }
    return insert(notification).from_select(
        list(row),
        select(*row.values())
        .select_from(run.join(event, true()))
        .where(run.c.initiator_id != SYSTEM_INITIATOR_ID),
    )


async def page(
    session: TenantSession, *, after: int | None, unread_only: bool, limit: int
) -> Sequence[Notification]:
    """Return a page of the member's notifications, newest first."""
    values = {"recipient": session.user_id, "before": after, "limit": limit}
    rows = await session.rows(_PAGES[after is not None, unread_only], values)
    return [_notification(row) for row in rows]


async def after(
    session: TenantSession, *, seq: int, until_seq: int, limit: int
) -> Sequence[Notification]:
    """Return the member's notifications with `seq` < their seq <= `until_seq`, oldest first."""
    values = {"recipient": session.user_id, "after": seq, "until": until_seq, "limit": limit}
    return [_notification(row) for row in await session.rows(_AFTER, values)]


async def by_ids(session: TenantSession, ids: Sequence[UUID]) -> Mapping[UUID, Notification]:
    """Return the member's notifications with these ids."""
    rows = await session.rows(_BY_IDS, {"recipient": session.user_id, "ids": ids})
    return {row.id: _notification(row) for row in rows}


async def unread_count(session: TenantSession) -> int:
    """Return the number of the member's unread notifications."""
    return await session.scalar(_UNREAD_COUNT, {"recipient": session.user_id})


async def mark_read(session: TenantSession, ids: Sequence[UUID]) -> None:
    """Mark the member's notifications as read; the time of the first call stays."""
    await session.execute(_MARK_READ, {"recipient": session.user_id, "ids": ids})
