"""The reads of a tenant's event log: sequence order is commit order, without gaps."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import BigInteger, Integer, bindparam, func, select, update

from domain.runs.models import FeedCursor, RunEvent
from domain.runs.repository.rows import event_of, select_events
from domain.tables import run_event, tenant_feed
from domain.tenancy.session import InstallationSession, TenantSession
from domain.tenancy.statements import TENANT, Statement


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


_POSITION = Statement(
    select(tenant_feed.c.epoch, tenant_feed.c.seq, tenant_feed.c.min_seq).where(
        tenant_feed.c.tenant_id == TENANT
    )
)
_events = (
    select_events()
    .where(run_event.c.tenant_id == TENANT, run_event.c.seq > bindparam("after"))
    .order_by(run_event.c.seq)
    .limit(bindparam("limit", type_=Integer()))
)
_EVENTS_AFTER = Statement(_events)
_EVENTS_OF_RUN = Statement(_events.where(run_event.c.run_id == bindparam("run_id")))


async def position(session: TenantSession) -> FeedPosition:
    """Return the current end of the feed."""
    row = await session.one(_POSITION)
    return FeedPosition(FeedCursor(row.epoch, row.seq), row.min_seq)


async def events_after(
    session: TenantSession, seq: int, *, limit: int, run_id: UUID | None = None
) -> Sequence[RunEvent]:
    """Return events in order; with `run_id`, only the events of that run."""
    statement = _EVENTS_AFTER if run_id is None else _EVENTS_OF_RUN
    values = {"after": seq, "limit": limit, "run_id": run_id}
    return [event_of(row) for row in await session.rows(statement, values)]


_RAISE_MIN_SEQ = Statement(
    update(tenant_feed)
    .where(tenant_feed.c.tenant_id == TENANT)
    .values(min_seq=func.greatest(tenant_feed.c.min_seq, bindparam("up_to", type_=BigInteger())))
)


async def raise_min_seq(session: TenantSession, seq: int) -> None:
    """Record that events up to `seq` may be gone, so that older cursors start over."""
    await session.execute(_RAISE_MIN_SEQ, {"up_to": seq})


_RESET_ALL = Statement(update(tenant_feed).values(epoch=func.gen_random_uuid()))


async def reset_all(session: InstallationSession) -> int:
    """Give every tenant's feed a new epoch; return how many."""
    return await session.execute(_RESET_ALL)
