"""The counts for a filter bar: exact, and nearly as quick as a page (H4, ADR 12).

Finished runs are counted by period (`run_count`). Only the active runs, and those created in the
incomplete periods at both ends of the filter's window, are counted one by one.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Integer,
    ScalarSelect,
    Select,
    Text,
    and_,
    any_,
    bindparam,
    case,
    column,
    false,
    func,
    literal_column,
    null,
    select,
    text,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import array

from domain.lifecycle import ACTIVE_STATUSES, BUCKET_RULES, StatusBucket
from domain.runs.models import RunFacets, RunFilter
from domain.tables import ACTIVE_SQL, operation_run, run_count
from domain.tenancy.models import Initiator
from domain.tenancy.replica import replicated
from domain.tenancy.session import TenantSession
from domain.tenancy.statements import TENANT, Statement

INITIATOR_LIMIT = 100
# The lengths of the periods of `run_count` in hours; each is a multiple of the one before. The
# shortest is not counted by type, bucket and initiator together.
PERIODS = (1, 6, 24, 168)


def _literals(buckets: Iterable[StatusBucket]) -> list[ColumnElement[str]]:
    return [literal_column(f"'{bucket}'", Text) for bucket in buckets]


_ACTIVE_BUCKETS = _literals(rule.bucket for rule in BUCKET_RULES if rule.status in ACTIVE_STATUSES)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST = timedelta(hours=PERIODS[-1])
_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)

_moment = operation_run.c.created_at.type
_FROM, _UNTIL = bindparam("from", type_=_moment), bindparam("until", type_=_moment)
_WHOLE_FROM = bindparam("whole_from", type_=_moment)
_WHOLE_UNTIL = bindparam("whole_until", type_=_moment)
# With an OFFSET, the planner does not move conditions into a subquery or join it otherwise. Each
# subquery then reads one range of one index, also in a plan for any parameters.
_FENCE = literal_column("0", Integer)
_RANGE = (
    func.unnest(
        bindparam("hours", type_=ARRAY(Integer)),
        bindparam("begins", type_=ARRAY(_moment)),
        bindparam("ends", type_=ARRAY(_moment)),
    )
    .table_valued(
        column("hours", Integer), column("begins_at", _moment), column("ends_at", _moment)
    )
    .render_derived("ranges")
)


def whole_periods(
    begin: datetime, end: datetime, lengths: Sequence[int] = PERIODS
) -> list[tuple[int, datetime, datetime]]:
    """Return the whole periods within a window, as ranges of periods of so many hours.

    The longest periods are in the middle, so the ranges have only a few periods.
    """
    # Periods do not reach beyond the years that Python knows.
    begin, end = (min(max(moment, _FIRST + _LONGEST), _LAST - _LONGEST) for moment in (begin, end))
    ranges: list[tuple[int, datetime, datetime]] = []
    for hours in lengths:
        period = timedelta(hours=hours)
        first = _EPOCH - (_EPOCH - begin) // period * period
        last = _EPOCH + (end - _EPOCH) // period * period
        if first >= last:
            break
        if ranges:
            shorter, outer_first, outer_last = ranges.pop()
            ranges += [(shorter, outer_first, first), (shorter, last, outer_last)]
        ranges.append((hours, first, last))
    return ranges


@cache
def _statement(*, run_types: bool, status_buckets: bool, initiator_ids: bool) -> Statement:
    """Return the statement for a filter that has values for these columns."""
    run, count = operation_run.c, run_count.c

    def chosen(source: Any) -> list[ColumnElement[bool]]:
        return [
            column == any_(bindparam(f"{column.name}s", type_=ARRAY(column.type)))
            for column, is_chosen in (
                (source.run_type, run_types),
                (source.status_bucket, status_buckets),
                (source.initiator_id, initiator_ids),
            )
            if is_chosen
        ]

    columns = (run.run_type, run.status_bucket, run.initiator_id)
    matching = [run.tenant_id == TENANT, *chosen(run)]
    in_window = [*matching, run.created_at >= _FROM, run.created_at < _UNTIL]

    def edge(name: Any, *conditions: ColumnElement[bool], is_oldest: bool) -> Select[Any]:
        """Select the finished runs of an incomplete period, however few of them match."""
        runs = select(*columns, name.label("initiator_name")).where(
            run.tenant_id == TENANT, run.status_bucket.not_in(_ACTIVE_BUCKETS), *conditions
        )
        every = runs.offset(_FENCE).subquery().c
        return select(*every, true() if is_oldest else false()).where(*chosen(every))

    single = union_all(
        select(
            *columns,
            case((run.created_at >= _WHOLE_FROM, run.initiator_name)).label("initiator_name"),
            (run.created_at < _WHOLE_FROM).label("is_oldest"),
        ).where(*in_window, text(ACTIVE_SQL)),
        edge(
            run.initiator_name,
            *(run.created_at >= _WHOLE_UNTIL, run.created_at < _UNTIL),
            is_oldest=False,
        ),
        # An index has the other columns. The names of the oldest runs are seldom needed.
        edge(null(), run.created_at >= _FROM, run.created_at < _WHOLE_FROM, is_oldest=True),
    ).cte("single")

    def counted(grouped_by: str, *names: str) -> Any:
        """Select the counts of whole periods, and single runs."""
        whole = (
            select(*(count[name] for name in names), count.runs)
            .where(
                count.tenant_id == TENANT,
                count.grouped_by == grouped_by,
                count.hours == _RANGE.c.hours,
                count.begins_at >= _RANGE.c.begins_at,
                count.begins_at < _RANGE.c.ends_at,
                *chosen(count),
            )
            .offset(_FENCE)
            .correlate(_RANGE)
            .lateral()
        )
        return union_all(
            select(whole, false().label("is_oldest")).select_from(_RANGE, whole),
            select(*(single.c[name] for name in names), literal_column("1"), single.c.is_oldest),
        ).subquery()

    by_type = counted("both" if initiator_ids else "run_type", "run_type", "status_bucket").c
    by_initiator = counted(
        "both" if run_types or status_buckets else "initiator", "initiator_id", "initiator_name"
    ).c
    name = by_initiator.initiator_name.collate("C")
    is_same = and_(
        func.count(name) == func.count().filter(~by_initiator.is_oldest),
        func.min(name) == func.max(name),
    )
    runs = func.sum(by_initiator.runs).cast(BigInteger).label("runs")
    top = (
        select(by_initiator.initiator_id, case((is_same, func.min(name))).label("name"), runs)
        .group_by(by_initiator.initiator_id)
        .order_by(runs.desc(), by_initiator.initiator_id)
        .limit(bindparam("limit", type_=Integer))
        .subquery("top")
    )
    return Statement(
        union_all(
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
                func.coalesce(top.c.name, _newest_name(top, in_window)),
                top.c.runs,
            ),
        )
    )


def _newest_name(top: Any, in_window: Sequence[ColumnElement[bool]]) -> ScalarSelect[str]:
    """Return the name in an initiator's newest run; in each bucket, an index has it first."""
    run = operation_run.c
    bucket = func.unnest(array(_literals(StatusBucket))).column_valued("bucket")
    newest = (
        select(run.created_at, run.id, run.initiator_name)
        .where(*in_window, run.initiator_id == top.c.initiator_id, run.status_bucket == bucket)
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


@replicated
async def facets(session: TenantSession, run_filter: RunFilter) -> RunFacets:
    """Count the matching runs by bucket, by type and by initiator.

    Only the INITIATOR_LIMIT initiators with the most runs are returned.
    """
    chosen = {
        "run_types": run_filter.run_types,
        "status_buckets": run_filter.status_buckets,
        "initiator_ids": run_filter.initiator_ids,
    }
    until = run_filter.created_until or _LAST
    lengths = PERIODS[1:] if any(chosen.values()) else PERIODS
    ranges = whole_periods(run_filter.created_from, until, lengths)
    rows = await session.rows(
        _statement(**{name: bool(values) for name, values in chosen.items()}),
        {
            "from": run_filter.created_from,
            "until": until,
            "whole_from": min((begin for _, begin, _ in ranges), default=until),
            "whole_until": max((end for _, _, end in ranges), default=until),
            "hours": [hours for hours, _, _ in ranges],
            "begins": [begin for _, begin, _ in ranges],
            "ends": [end for _, _, end in ranges],
            "limit": INITIATOR_LIMIT,
            **{name: sorted(values) for name, values in chosen.items() if values},
        },
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
    )
