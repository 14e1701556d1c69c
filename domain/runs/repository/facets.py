"""The counts for a filter bar: exact, and nearly as quick as a page (H4, ADR 12).

Finished runs are counted by period (`run_count`). Only the active runs, and those created in the
incomplete periods at both ends of the filter's window, are counted one by one.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Integer,
    ScalarSelect,
    Text,
    and_,
    case,
    column,
    func,
    literal,
    null,
    select,
    union_all,
)

from domain.lifecycle import ACTIVE_STATUSES, BUCKET_RULES, StatusBucket
from domain.runs.models import RunFacets, RunFilter
from domain.runs.repository.reading import any_of, window
from domain.tables import operation_run, run_count
from domain.tenancy.models import Initiator
from domain.tenancy.session import TenantSession

INITIATOR_LIMIT = 100
# The lengths of the periods of `run_count` in hours; each is a multiple of the one before.
PERIODS = (4, 24, 168)

_ACTIVE = frozenset(rule.bucket for rule in BUCKET_RULES if rule.status in ACTIVE_STATUSES)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST = timedelta(hours=PERIODS[-1])
_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)


def pieces(begin: datetime, end: datetime) -> Iterator[tuple[int, datetime, datetime]]:
    """Cut a window into ranges of whole periods, with their length in hours; 0 for the rest.

    The longest periods are in the middle, so the ranges have only a few periods.
    """
    # Periods do not reach beyond the years that Python knows.
    inner_begin, inner_end = (
        min(max(moment, _FIRST + _LONGEST), _LAST - _LONGEST) for moment in (begin, end)
    )
    covered = 0
    for hours in PERIODS:
        period = timedelta(hours=hours)
        first = _EPOCH - (_EPOCH - inner_begin) // period * period
        last = _EPOCH + (inner_end - _EPOCH) // period * period
        if first >= last:
            break
        yield covered, begin, first
        yield covered, last, end
        covered, begin, end = hours, first, last
    yield covered, begin, end


def _statement(session: TenantSession, run_filter: RunFilter) -> CompoundSelect[Any]:
    run, count = operation_run.c, run_count.c
    buckets = run_filter.status_buckets or frozenset(StatusBucket)
    chosen = {
        "run_type": run_filter.run_types,
        "status_bucket": run_filter.status_buckets,
        "initiator_id": run_filter.initiator_ids,
    }
    cut = list(
        zip(*pieces(run_filter.created_from, run_filter.created_until or _LAST), strict=True)
    )
    piece = (
        func.unnest(
            literal(list(cut[0]), ARRAY(Integer)),
            *(literal(list(moments), ARRAY(run.created_at.type)) for moments in cut[1:]),
        )
        .table_valued(
            column("hours", Integer),
            column("begins_at", run.created_at.type),
            column("ends_at", run.created_at.type),
            name="piece",
        )
        .render_derived()
    )
    matching = [any_of(run[name], values) for name, values in chosen.items() if values]
    of_window = [*window(session, run_filter), *matching]
    columns = (run.run_type, run.status_bucket, run.initiator_id, run.initiator_name)
    single = union_all(
        select(*columns).where(*of_window, any_of(run.status_bucket, buckets & _ACTIVE)),
        select(*columns)
        .select_from(piece)
        .where(
            piece.c.hours == 0,
            run.created_at >= piece.c.begins_at,
            run.created_at < piece.c.ends_at,
            run.tenant_id == session.tenant_id,
            *matching,
            any_of(run.status_bucket, buckets - _ACTIVE),
        ),
    ).cte("single")

    def counted(grouped_by: str, *names: str) -> Any:
        """Return the counts by period and of single runs."""
        # OFFSET keeps the planner from joining by length, which would read all counts of a length.
        whole = (
            select(*(count[name] for name in names), count.runs)
            .where(
                count.tenant_id == session.tenant_id,
                count.grouped_by == grouped_by,
                count.hours == piece.c.hours,
                count.begins_at >= piece.c.begins_at,
                count.begins_at < piece.c.ends_at,
                *(any_of(count[name], values) for name, values in chosen.items() if values),
            )
            .offset(0)
            .correlate(piece)
            .lateral()
        )
        whole = select(whole).select_from(piece, whole)
        return union_all(whole, select(*(single.c[name] for name in names), literal(1))).subquery()

    by_type = counted(
        "both" if run_filter.initiator_ids else "run_type", "run_type", "status_bucket"
    ).c
    by_initiator = counted(
        "both" if run_filter.run_types or run_filter.status_buckets else "initiator",
        *("initiator_id", "initiator_name"),
    ).c
    name = by_initiator.initiator_name
    runs = func.sum(by_initiator.runs).cast(BigInteger).label("runs")
    is_same = and_(func.count(name) == func.count(), func.min(name) == func.max(name))
    top = (
        select(by_initiator.initiator_id, case((is_same, func.min(name))).label("name"), runs)
        .group_by(by_initiator.initiator_id)
        .order_by(runs.desc(), by_initiator.initiator_id)
        .limit(INITIATOR_LIMIT)
        .subquery("top")
    )
    return union_all(
        select(
            by_type.run_type,
            by_type.status_bucket,
            null().label("initiator_id"),
            null().label("initiator_name"),
            func.sum(by_type.runs).cast(BigInteger).label("runs"),
        ).group_by(by_type.run_type, by_type.status_bucket),
        select(
            null(),
            null(),
            top.c.initiator_id,
            func.coalesce(top.c.name, _newest_name(top, buckets, of_window)),
            top.c.runs,
        ),
    )


def _newest_name(
    top: Any, buckets: Collection[StatusBucket], of_window: Sequence[ColumnElement[bool]]
) -> ScalarSelect[str]:
    """Return the name in an initiator's newest run; in each bucket, an index has it first."""
    run = operation_run.c
    bucket = func.unnest(literal(sorted(buckets), ARRAY(Text))).column_valued("bucket")
    newest = (
        select(run.created_at, run.id, run.initiator_name)
        .where(*of_window, run.initiator_id == top.c.initiator_id, run.status_bucket == bucket)
        .order_by(run.created_at.desc(), run.id.desc())
        .limit(1)
        .correlate(top, bucket.scalar_alias)
        .lateral("newest")
    )
    return (
        select(newest.c.initiator_name)
        .select_from(bucket.scalar_alias, newest)
        .order_by(newest.c.created_at.desc(), newest.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )


async def facets(session: TenantSession, run_filter: RunFilter) -> RunFacets:
    """Count the matching runs by bucket, by type and by initiator.

    Only the INITIATOR_LIMIT initiators with the most runs are returned.
    """
    by_bucket = dict.fromkeys(StatusBucket, 0)
    by_run_type = Counter[str]()
    by_initiator: dict[Initiator, int] = {}
    for row in await session.rows(_statement(session, run_filter)):
        if row.initiator_id is None:
            by_bucket[StatusBucket(row.status_bucket)] += row.runs
            by_run_type[row.run_type] += row.runs
        else:
            by_initiator[Initiator(row.initiator_id, row.initiator_name)] = row.runs
    return RunFacets(
        by_bucket=by_bucket,
        by_run_type=dict(sorted(by_run_type.items())),
        by_initiator=dict(sorted(by_initiator.items(), key=lambda item: (-item[1], item[0].name))),
    )
