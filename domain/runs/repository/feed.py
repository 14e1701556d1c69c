"""The tenant's event log: sequence order is commit order, without gaps.

`emit` locks the counter row until the commit, so no other transaction can take a later number and
commit earlier. Call it last in a transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import BigInteger, Integer, and_, bindparam, func, insert, literal, select, update

from domain.runs.models import CHANGING_COLUMNS, FeedCursor, RunEvent, RunEventKind
from domain.runs.repository.rows import event_of, select_events
from domain.runs.repository.transitions import THE_RUN
from domain.tables import operation_run, run_event, tenant_feed
from domain.tenancy.session import TenantSession
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


_counter = (
    update(tenant_feed)
    .where(tenant_feed.c.tenant_id == TENANT)
    .values(seq=tenant_feed.c.seq + 1)
    .returning(tenant_feed.c.seq)
    .cte("counter")
)
_before = run_event.alias("before")
_snapshot = (
    select(
        operation_run.c.tenant_id,
        operation_run.c.id.label("run_id"),
        operation_run.c.status_bucket,
        *(operation_run.c[name] for name in CHANGING_COLUMNS),
        _counter.c.seq,
        bindparam("of_kind", type_=run_event.c.kind.type).label("kind"),
        _before.c.status_bucket.label("previous_bucket"),
    )
    .select_from(
        operation_run.join(_counter, literal(value=True)).outerjoin(
            _before,
            and_(
                _before.c.tenant_id == operation_run.c.tenant_id,
                _before.c.run_id == operation_run.c.id,
                _before.c.version == operation_run.c.version - 1,
            ),
        )
    )
    .where(THE_RUN)
)
_EMIT = Statement(
    insert(run_event)
    .from_select(_snapshot.selected_columns.keys(), _snapshot)
    .returning(run_event.c.seq)
)


async def emit(session: TenantSession, run_id: UUID, kind: RunEventKind) -> int:
    """Append an event with the run's current state to the feed; return the event's number."""
    return await session.scalar(_EMIT, {"the_run": run_id, "of_kind": kind.value})


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
