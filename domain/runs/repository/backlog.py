"""The numbers of queued and running runs of all tenants. Every read is bounded."""

from datetime import timedelta

from sqlalchemy import (
    BindParameter,
    Integer,
    TextClause,
    bindparam,
    exists,
    func,
    or_,
    select,
    text,
    union_all,
)

from domain.lifecycle import ACTIVE_STATUSES, RunStatus, StatusBucket
from domain.runs.models import Backlog
from domain.runs.repository.serving import all_served
from domain.tables import operation_run, outbox
from domain.tenancy.session import InstallationSession
from domain.tenancy.statements import Statement

# With more rows, something is certainly wrong, so counting stops.
MOST = 100_000
_MOST: BindParameter[int] = bindparam("most", type_=Integer())


def _has(status: RunStatus) -> TextClause:
    # A literal lets Postgres use the partial indexes of the active runs.
    return text(f"status = '{status}'")


_ENTRIES = Statement(
    select(func.count()).select_from(
        select(outbox.c.id).where(~outbox.c.is_claimed).limit(_MOST).subquery()
    )
)
_OLDEST = Statement(
    select(func.clock_timestamp() - func.min(operation_run.c.not_before)).where(
        _has(RunStatus.PENDING)
    )
)
_some_runs = union_all(
    *(
        select(operation_run.c.run_type, operation_run.c.status_bucket)
        .where(_has(status))
        .limit(_MOST)
        .subquery()
        .select()
        for status in ACTIVE_STATUSES
    )
).subquery()
_ACTIVE = Statement(
    select(_some_runs.c.run_type, _some_runs.c.status_bucket, func.count().label("runs")).group_by(
        _some_runs.c.run_type, _some_runs.c.status_bucket
    )
)

_IS_IDLE = Statement(
    select(
        ~or_(
            exists(select(outbox.c.id)),
            *(exists(select(operation_run.c.id).where(_has(status))) for status in ACTIVE_STATUSES),
        )
    )
)


async def is_idle(session: InstallationSession) -> bool:
    """Return whether the outbox is empty, and no run is queued or running."""
    idle: bool = await session.scalar(_IS_IDLE)
    return idle


async def read_backlog(session: InstallationSession) -> Backlog:
    """Count outbox entries and active runs, up to `MOST` entries and runs of each status."""
    oldest: timedelta | None = await session.scalar(_OLDEST)
    served = await all_served(session)
    active = await session.rows(_ACTIVE, {"most": MOST})
    return Backlog(
        await session.scalar(_ENTRIES, {"most": MOST}),
        max(oldest or timedelta(0), timedelta(0)),
        {(row.run_type, StatusBucket(row.status_bucket)): row.runs for row in active},
        sum(
            row.runs
            for row in active
            if served and row.status_bucket == StatusBucket.QUEUED and row.run_type not in served
        ),
    )
