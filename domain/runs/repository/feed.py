"""The tenant's event log: sequence order is commit order, without gaps.

`emit` locks the counter row until the commit, so no other transaction can take a later number and
commit earlier. Call it last in a transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import and_, func, insert, literal, select, update

from domain.runs.models import FeedCursor, RunEvent, RunEventKind
from domain.runs.repository.rows import CHANGING, event_of, select_events
from domain.tables import operation_run, run_event, tenant_feed
from domain.tenancy.session import TenantSession


@dataclass(frozen=True, slots=True)
class FeedPosition:
    """The end of a tenant's feed. Cursors of another epoch or below `min_seq` are not valid."""

    cursor: FeedCursor
    min_seq: int

    @property
    def seq(self) -> int:
        return self.cursor.seq

    def covers(self, cursor: FeedCursor) -> bool:
        """Return whether all events after the cursor still exist."""
        return cursor.epoch == self.cursor.epoch and self.min_seq <= cursor.seq <= self.seq


async def emit(session: TenantSession, run_id: UUID, kind: RunEventKind) -> int:
    """Append an event with the run's current state to the feed; return the event's number."""
    counter = (
        update(tenant_feed)
        .where(tenant_feed.c.tenant_id == session.tenant_id)
        .values(seq=tenant_feed.c.seq + 1)
        .returning(tenant_feed.c.seq)
        .cte("counter")
    )
    before = run_event.alias("before")
    run = operation_run
    snapshot = (
        select(
            run.c.tenant_id,
            run.c.id.label("run_id"),
            run.c.status_bucket,
            *(run.c[name] for name in CHANGING),
            counter.c.seq,
            literal(kind.value).label("kind"),
            before.c.status_bucket.label("previous_bucket"),
        )
        .select_from(
            run.join(counter, literal(value=True)).outerjoin(
                before,
                and_(
                    before.c.tenant_id == run.c.tenant_id,
                    before.c.run_id == run.c.id,
                    before.c.version == run.c.version - 1,
                ),
            )
        )
        .where(run.c.tenant_id == session.tenant_id, run.c.id == run_id)
    )
    return await session.scalar(
        insert(run_event)
        .from_select(snapshot.selected_columns.keys(), snapshot)
        .returning(run_event.c.seq)
    )


async def position(session: TenantSession) -> FeedPosition:
    """Return the current end of the feed."""
    row = await session.one(
        select(tenant_feed.c.epoch, tenant_feed.c.seq, tenant_feed.c.min_seq).where(
            tenant_feed.c.tenant_id == session.tenant_id
        )
    )
    return FeedPosition(FeedCursor(row.epoch, row.seq), row.min_seq)


async def events_after(
    session: TenantSession, seq: int, *, limit: int, run_id: UUID | None = None
) -> Sequence[RunEvent]:
    """Return events in order; with `run_id`, only the events of that run."""
    query = (
        select_events()
        .where(run_event.c.tenant_id == session.tenant_id, run_event.c.seq > seq)
        .order_by(run_event.c.seq)
        .limit(limit)
    )
    if run_id is not None:
        query = query.where(run_event.c.run_id == run_id)
    return [event_of(row) for row in await session.rows(query)]


async def raise_min_seq(session: TenantSession, seq: int) -> None:
    """Record that events up to `seq` may be gone, so that older cursors start over."""
    await session.execute(
        update(tenant_feed)
        .where(tenant_feed.c.tenant_id == session.tenant_id)
        .values(min_seq=func.greatest(tenant_feed.c.min_seq, seq))
    )
