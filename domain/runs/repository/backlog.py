"""The numbers of queued and running runs of all tenants. Every read is bounded."""

from datetime import timedelta

from sqlalchemy import TextClause, func, select, text, union_all

from domain.lifecycle import ACTIVE_STATUSES, RunStatus, StatusBucket
from domain.runs.models import Backlog
from domain.tables import operation_run, outbox
from domain.tenancy.session import InstallationSession

# With more rows, something is certainly wrong, so counting stops.
MOST = 100_000


async def read_backlog(session: InstallationSession) -> Backlog:
    """Count outbox entries and active runs, up to `MOST` entries and runs of each status."""
    some_entries = select(outbox.c.id).limit(MOST).subquery()
    entries = await session.scalar(select(func.count()).select_from(some_entries))
    oldest = await session.scalar(
        select(func.clock_timestamp() - func.min(operation_run.c.not_before)).where(
            _has(RunStatus.PENDING)
        )
    )
    some_runs = union_all(
        *(
            select(operation_run.c.run_type, operation_run.c.status_bucket)
            .where(_has(status))
            .limit(MOST)
            .subquery()
            .select()
            for status in ACTIVE_STATUSES
        )
    ).subquery()
    counted = await session.rows(
        select(
            some_runs.c.run_type, some_runs.c.status_bucket, func.count().label("runs")
        ).group_by(some_runs.c.run_type, some_runs.c.status_bucket)
    )
    return Backlog(
        entries,
        max(oldest or timedelta(0), timedelta(0)),
        {(row.run_type, StatusBucket(row.status_bucket)): row.runs for row in counted},
    )


def _has(status: RunStatus) -> TextClause:
    # A literal lets Postgres use the partial indexes of the active runs.
    return text(f"status = '{status}'")
