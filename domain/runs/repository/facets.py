"""The counts for a filter bar, from one pass over the matching runs (H4)."""

from collections import Counter

from sqlalchemy import func, null, select, tuple_, union_all

from domain.lifecycle import StatusBucket
from domain.runs.models import RunFacets, RunFilter
from domain.runs.repository.reading import any_of, window
from domain.tables import operation_run
from domain.tenancy.models import Initiator
from domain.tenancy.session import TenantSession

FACET_LIMIT = 100_000
INITIATOR_LIMIT = 100


async def facets(session: TenantSession, run_filter: RunFilter) -> RunFacets:
    """Count the newest FACET_LIMIT matching runs by bucket, by type and by initiator.

    Only the INITIATOR_LIMIT initiators with the most runs are returned.
    """
    run = operation_run.c
    filters = (
        (run.run_type, run_filter.run_types),
        (run.status_bucket, run_filter.status_buckets),
        (run.initiator_id, run_filter.initiator_ids),
    )
    newest = (
        select(run.run_type, run.status_bucket, run.initiator_id, run.created_at)
        .where(*window(session, run_filter), *(any_of(*each) for each in filters if each[1]))
        .order_by(run.created_at.desc())
        .limit(FACET_LIMIT + 1)
        .subquery()
    )
    counted = (
        select(
            newest.c.run_type,
            newest.c.status_bucket,
            newest.c.initiator_id,
            func.max(newest.c.created_at).label("newest_at"),
            func.count().label("runs"),
        )
        .group_by(
            func.grouping_sets(
                tuple_(newest.c.run_type, newest.c.status_bucket), newest.c.initiator_id
            )
        )
        .cte("counted")
    )
    top = (
        select(counted.c.initiator_id, counted.c.newest_at, counted.c.runs)
        .where(counted.c.initiator_id.is_not(None))
        .order_by(counted.c.runs.desc(), counted.c.initiator_id)
        .limit(INITIATOR_LIMIT)
        .subquery()
    )
    newest_name = (
        select(run.initiator_name)
        .where(
            run.tenant_id == session.tenant_id,
            run.created_at == top.c.newest_at,
            run.initiator_id == top.c.initiator_id,
        )
        .limit(1)
        .scalar_subquery()
    )
    rows = await session.rows(
        union_all(
            select(
                counted.c.run_type,
                counted.c.status_bucket,
                null().label("initiator_id"),
                null().label("initiator_name"),
                counted.c.runs,
            ).where(counted.c.initiator_id.is_(None)),
            select(null(), null(), top.c.initiator_id, newest_name, top.c.runs),
        )
    )
    by_bucket = dict.fromkeys(StatusBucket, 0)
    by_run_type = Counter[str]()
    by_initiator: dict[Initiator, int] = {}
    for row in rows:
        if row.initiator_id is None:
            by_bucket[StatusBucket(row.status_bucket)] += row.runs
            by_run_type[row.run_type] += row.runs
        else:
            by_initiator[Initiator(row.initiator_id, row.initiator_name)] = row.runs
    return RunFacets(
        by_bucket=by_bucket,
        by_run_type=dict(sorted(by_run_type.items())),
        by_initiator=dict(sorted(by_initiator.items(), key=lambda item: (-item[1], item[0].name))),
        truncated=sum(by_bucket.values()) > FACET_LIMIT,
    )
