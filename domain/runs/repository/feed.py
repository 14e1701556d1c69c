"""The tenant's event log: sequence order is commit order, without gaps.

The counter row is locked from the emit to the commit, so nobody can take a
later number and commit earlier. Emit is therefore called last.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import and_, func, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.runs.models import RunEvent, RunEventKind
from domain.runs.repository.rows import event_of, select_events
from domain.tables import operation_run, run_event, tenant_feed


@dataclass(frozen=True, slots=True)
class FeedPosition:
    """Where a tenant's feed stands; a cursor of another epoch or below `min_seq` is void."""

    epoch: UUID
    seq: int
    min_seq: int

    def covers(self, epoch: UUID, seq: int) -> bool:
        """Tell whether every event behind (epoch, seq) is still there."""
        return epoch == self.epoch and self.min_seq <= seq <= self.seq


async def emit(
    connection: AsyncConnection, tenant_id: UUID, run_id: UUID, kind: RunEventKind
) -> int:
    """Log the run as it is now under the next number of the feed; return that number."""
    counter = (
        update(tenant_feed)
        .where(tenant_feed.c.tenant_id == tenant_id)
        .values(seq=tenant_feed.c.seq + 1)
        .returning(tenant_feed.c.seq)
        .cte("counter")
    )
    before = run_event.alias("before")
    run = operation_run
    copied = [
        run.c[name]
        for name in (
            "tenant_id",
            "version",
            "status",
            "status_bucket",
            "total",
            "succeeded",
            "failed",
            "skipped",
            "attempt",
            "started_at",
            "finished_at",
        )
    ]
    snapshot = (
        select(
            *copied,
            run.c.id.label("run_id"),
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
        .where(run.c.tenant_id == tenant_id, run.c.id == run_id)
    )
    seq: int = (
        await connection.execute(
            insert(run_event)
            .from_select([column.name for column in snapshot.selected_columns], snapshot)
            .returning(run_event.c.seq)
        )
    ).scalar_one()
    return seq


async def position(connection: AsyncConnection, tenant_id: UUID) -> FeedPosition:
    """Return where the feed stands."""
    row = (
        await connection.execute(
            select(tenant_feed.c.epoch, tenant_feed.c.seq, tenant_feed.c.min_seq).where(
                tenant_feed.c.tenant_id == tenant_id
            )
        )
    ).one()
    return FeedPosition(row.epoch, row.seq, row.min_seq)


async def events_after(
    connection: AsyncConnection,
    tenant_id: UUID,
    seq: int,
    *,
    limit: int,
    run_id: UUID | None = None,
) -> Sequence[RunEvent]:
    """Return events in order, those of one run if given."""
    query = (
        select_events()
        .where(run_event.c.tenant_id == tenant_id, run_event.c.seq > seq)
        .order_by(run_event.c.seq)
        .limit(limit)
    )
    if run_id is not None:
        query = query.where(run_event.c.run_id == run_id)
    return [event_of(row) for row in await connection.execute(query)]


async def raise_min_seq(connection: AsyncConnection, tenant_id: UUID, seq: int) -> None:
    """State that events up to `seq` may be missing, so that older cursors start anew."""
    await connection.execute(
        update(tenant_feed)
        .where(tenant_feed.c.tenant_id == tenant_id)
        .values(min_seq=func.greatest(tenant_feed.c.min_seq, seq))
    )
