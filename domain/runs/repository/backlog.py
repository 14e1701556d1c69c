"""How much waits and runs, for whoever watches the whole installation. Every read is bounded."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import TextClause, func, select, text, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.lifecycle import ACTIVE_STATUSES, RunStatus, StatusBucket
from domain.tables import operation_run, outbox

# So many rows are counted; where there are more, it is certain that something is wrong.
MOST = 100_000


@dataclass(frozen=True, slots=True)
class Backlog:
    """The queues of all tenants at one moment."""

    orders: int
    """Orders in the outbox, due or not."""
    oldest_wait: timedelta
    """For how long the run has been due that no worker has taken for the longest time."""
    active: Mapping[tuple[str, StatusBucket], int]
    """Queued and running runs by type and bucket."""


async def read_backlog(connection: AsyncConnection) -> Backlog:
    """Count orders and active runs, up to `MOST` of them in each status."""
    some_orders = select(outbox.c.id).limit(MOST).subquery()
    orders = (await connection.execute(select(func.count()).select_from(some_orders))).scalar_one()
    oldest = (
        await connection.execute(
            select(func.clock_timestamp() - func.min(operation_run.c.not_before)).where(
                _has(RunStatus.PENDING)
            )
        )
    ).scalar_one()
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
    counted = await connection.execute(
        select(
            some_runs.c.run_type, some_runs.c.status_bucket, func.count().label("runs")
        ).group_by(some_runs.c.run_type, some_runs.c.status_bucket)
    )
    return Backlog(
        orders,
        max(oldest or timedelta(0), timedelta(0)),
        {(row.run_type, StatusBucket(row.status_bucket)): row.runs for row in counted},
    )


def _has(status: RunStatus) -> TextClause:
    # As a literal, so that the partial indexes of the active runs serve.
    return text(f"status = '{status}'")
