"""The reads of runs, each with one statement for any number of rows (H1, H4)."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Select,
    Text,
    any_,
    bindparam,
    func,
    literal,
    or_,
    select,
    text,
    tuple_,
)

from domain.lifecycle import StatusBucket
from domain.runs.failures import RunFailure
from domain.runs.models import COLUMNS, FailureGroup, OperationRun, RunEvent, RunFilter, SkippedItem
from domain.runs.repository.rows import event_of, select_events, select_runs
from domain.tables import ACTIVE_SQL, operation_run, run_event, run_failure, run_item
from domain.tenancy.replica import replicated
from domain.tenancy.session import AnyRow, TenantSession
from domain.tenancy.statements import TENANT, Statement, any_of, array_of, each, first_of_each

T = TypeVar("T")

# A literal, because the index's predicate does not match a parameter.
_SKIPPED = text("outcome = 'skipped'")
# With more pairs of an initiator and a type, it is faster to test the type of the initiators' runs.
_MOST_PAIRS = 50
_REASONS = bindparam("reasons", type_=ARRAY(Text), required=True)


@dataclass(frozen=True, slots=True)
class Keyset:
    """A page of the list after `start`; `backward` goes from older to newer runs."""

    limit: int
    start: tuple[datetime, UUID] | None = None
    backward: bool = False


def _index_prefixes(run_filter: RunFilter) -> Mapping[str, Collection[Any]]:
    """Return the filter's values for the first columns of an index of the list.

    Without a bucket in the filter, every bucket counts: there are only a few.
    """
    buckets: dict[str, Collection[Any]] = {
        "status_bucket": run_filter.status_buckets or frozenset(StatusBucket)
    }
    initiators, types = run_filter.initiator_ids, run_filter.run_types
    if initiators and types and len(initiators) * len(types) <= _MOST_PAIRS:
        return {"initiator_id": initiators, "run_type": types, **buckets}
    if initiators:
        return {"initiator_id": initiators, **buckets}
    if types:
        return {"run_type": types, **buckets}
    return buckets if run_filter.status_buckets else {}


@replicated
async def page(
    session: TenantSession,
    run_filter: RunFilter,
    keyset: Keyset,
    columns: frozenset[str] = COLUMNS,
) -> Sequence[OperationRun]:
    """Return runs newest first; with `backward` oldest first from the start key.

    For each combination of the filter's values, an index has the runs in the list's order; at
    most a page is read from each. The time depends neither on the number of runs nor on how rare
    the matching ones are. The runs have these `columns`, and those of their place in the list.
    """
    values: dict[str, Any] = {"created_from": run_filter.created_from}
    if run_filter.created_until is not None:
        values["created_until"] = run_filter.created_until
    if keyset.start is not None:
        values["start_created_at"], values["start_id"] = keyset.start
    prefixes = _index_prefixes(run_filter)
    values |= {name: sorted(allowed) for name, allowed in prefixes.items()}
    if run_filter.run_types and "run_type" not in prefixes:
        values["run_types"] = sorted(run_filter.run_types)
    statement = _page(
        columns, (*prefixes,), frozenset(values), keyset.limit, backward=keyset.backward
    )
    return [OperationRun(row) for row in await session.rows(statement, values)]


@lru_cache(maxsize=500)
def _page(
    columns: frozenset[str],
    prefixes: tuple[str, ...],
    parameters: frozenset[str],
    limit: int,
    *,
    backward: bool,
) -> Statement:
    # With a parameter as the limit, Postgres would expect a tenth of all runs, and plan each time.
    literal_limit = literal(limit, literal_execute=True)
    run = operation_run.c
    conditions = [run.tenant_id == TENANT, run.created_at >= bindparam("created_from")]
    if "created_until" in parameters:
        conditions.append(run.created_at < bindparam("created_until"))
    if "start_id" in parameters:
        key = tuple_(run.created_at, run.id)
        start = tuple_(*(bindparam(f"start_{c.name}", type_=c.type) for c in key.clauses))
        conditions.append(key > start if backward else key < start)

    def first(query: Select[Any], source: Any) -> Select[Any]:
        key = (source.created_at, source.id)
        return query.order_by(*(c if backward else c.desc() for c in key)).limit(literal_limit)

    places = []
    for name in prefixes:
        place = func.unnest(array_of(run[name], name)).column_valued(
            f"each_{name}", joins_implicitly=True
        )
        conditions.append(run[name] == place)
        places.append(place.scalar_alias)
    if "run_types" in parameters:
        conditions.append(any_of(run.run_type, "run_types"))

    query = select_runs(columns)
    if places:
        keys = first(select(run.created_at, run.id).where(*conditions), run)
        part = keys.correlate(*places).lateral("first_of_each")
        matching = first(select(part).select_from(*places, part), part.c).subquery("matching")
        query = query.where(run.tenant_id == TENANT, run.id == matching.c.id)
    else:
        query = query.where(*conditions)
    return Statement(first(query, run))


@lru_cache(maxsize=100)
def _by_ids(columns: frozenset[str]) -> Statement:
    return Statement(
        select_runs(columns).where(
            operation_run.c.tenant_id == TENANT, any_of(operation_run.c.id, "ids")
        )
    )


@replicated
async def by_ids(
    session: TenantSession, run_ids: Sequence[UUID], *, columns: frozenset[str] = COLUMNS
) -> Mapping[UUID, OperationRun]:
    """Return the tenant's runs with these ids; they have these columns."""
    rows = await session.rows(_by_ids(columns), {"ids": run_ids})
    return {row["id"]: OperationRun(row) for row in rows}


def _pages(query: Select[Any], key: Any) -> tuple[Statement, Statement]:
    """Return the statements for the first rows of each run in the order of `key`.

    The second one returns the first rows after a key.
    """
    table = key.table.c
    run = each(table.run_id)
    query = query.where(table.tenant_id == TENANT, table.run_id == run.c.run_id)
    after = bindparam("after", type_=key.type)
    return first_of_each(run, query, [key]), first_of_each(run, query.where(key > after), [key])


def _grouped(rows: Sequence[AnyRow], build: Callable[[AnyRow], T]) -> Mapping[UUID, Sequence[T]]:
    grouped: dict[UUID, list[T]] = {}
    for row in rows:
        grouped.setdefault(row.run_id, []).append(build(row))
    return grouped


def _failure(row: AnyRow) -> RunFailure:
    return RunFailure(
        run_id=row.run_id,
        item_key=row.item_key or None,
        reason=row.reason,
        message=row.message,
        error_id=row.error_id,
        attempt=row.attempt,
        occurred_at=row.occurred_at,
    )


_FAILURES = _pages(
    # Without reasons, all of them.
    select(run_failure).where(
        or_(func.cardinality(_REASONS) == 0, run_failure.c.reason == any_(_REASONS))
    ),
    run_failure.c.item_key,
)
_ITEMS = _pages(select(run_item).where(_SKIPPED), run_item.c.item_key)
_EVENTS = _pages(select_events().add_columns(run_event.c.run_id), run_event.c.version)


@replicated
async def failures(
    session: TenantSession,
    run_ids: Sequence[UUID],
    *,
    after: str | None,
    reasons: frozenset[str],
    limit: int,
) -> Mapping[UUID, Sequence[RunFailure]]:
    """Return the first failures of each run by item; the failure of a whole run comes first."""
    values = {"run_id": run_ids, "after": after, "limit": limit, "reasons": sorted(reasons)}
    return _grouped(await session.rows(_FAILURES[after is not None], values), _failure)


@replicated
async def skipped(
    session: TenantSession, run_ids: Sequence[UUID], *, after: str | None, limit: int
) -> Mapping[UUID, Sequence[SkippedItem]]:
    """Return the first skipped items of each run by item."""
    values = {"run_id": run_ids, "after": after, "limit": limit}
    rows = await session.rows(_ITEMS[after is not None], values)
    return _grouped(rows, lambda row: SkippedItem(row.run_id, row.item_key, row.skip_reason))


_failures = func.count().label("failures")
_FAILURE_GROUPS = Statement(
    select(
        run_failure.c.run_id,
        run_failure.c.reason,
        _failures,
        func.min(run_failure.c.message).label("example"),
    )
    .where(run_failure.c.tenant_id == TENANT, any_of(run_failure.c.run_id, "run_ids"))
    .group_by(run_failure.c.run_id, run_failure.c.reason)
    .order_by(run_failure.c.run_id, _failures.desc(), run_failure.c.reason)
)


@replicated
async def failure_groups(
    session: TenantSession, run_ids: Sequence[UUID]
) -> Mapping[UUID, Sequence[FailureGroup]]:
    """Return each run's failures by reason, the most frequent reason first."""

    def group(row: AnyRow) -> FailureGroup:
        return FailureGroup(row.reason, row.failures, row.example)

    return _grouped(await session.rows(_FAILURE_GROUPS, {"run_ids": run_ids}), group)


@replicated
async def events(
    session: TenantSession, run_ids: Sequence[UUID], *, after: int | None, limit: int
) -> Mapping[UUID, Sequence[RunEvent]]:
    """Return the first events of each run's timeline, or the first ones after a version."""
    values = {"run_id": run_ids, "after": after, "limit": limit}
    return _grouped(await session.rows(_EVENTS[after is not None], values), event_of)


_ITEM_KEYS = Statement(
    select(run_item.c.item_key).where(
        run_item.c.tenant_id == TENANT, run_item.c.run_id == bindparam("run_id")
    )
)


async def item_keys(session: TenantSession, run_id: UUID) -> frozenset[str]:
    """Return the keys of the run's recorded items."""
    return frozenset(await session.scalars(_ITEM_KEYS, {"run_id": run_id}))


_ACTIVE_CONTEXT = Statement(
    select(operation_run.c.context)
    .where(
        operation_run.c.tenant_id == TENANT,
        operation_run.c.run_type == bindparam("run_type", type_=Text()),
        text(ACTIVE_SQL),
    )
    .order_by(operation_run.c.created_at)
    .limit(1)
)


async def active_context(session: TenantSession, run_type: str) -> Mapping[str, Any] | None:
    """Return the context of the oldest active run of a type; None without one."""
    return await session.scalar_or_none(_ACTIVE_CONTEXT, {"run_type": run_type})
