"""The reads of runs, each with one statement for any number of rows (H1, H4)."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Select, any_, func, literal, select, text, tuple_

from domain.lifecycle import StatusBucket
from domain.runs.failures import RETRYABLE, FailureReason, RunFailure
from domain.runs.models import FailureGroup, OperationRun, RunEvent, RunFilter, SkippedItem
from domain.runs.repository.rows import event_of, run_of, runs_of, select_events, select_runs
from domain.tables import operation_run, run_event, run_failure, run_item
from domain.tenancy.session import AnyRow, TenantSession

T = TypeVar("T")

# A literal, because the index's predicate does not match a parameter.
_SKIPPED = text("outcome = 'skipped'")


@dataclass(frozen=True, slots=True)
class Keyset:
    """A page of the list after `start`; `backward` goes from older to newer runs."""

    limit: int
    start: tuple[datetime, UUID] | None = None
    backward: bool = False


def any_of(source: ColumnElement[Any], allowed: Collection[Any]) -> ColumnElement[bool]:
    """Return the condition that a column has one of the values."""
    return source == any_(literal(sorted(allowed), ARRAY(source.type)))


def window(session: TenantSession, run_filter: RunFilter) -> list[ColumnElement[bool]]:
    """Return the conditions for a tenant's runs within the filter's time range."""
    conditions = [
        operation_run.c.tenant_id == session.tenant_id,
        operation_run.c.created_at >= run_filter.created_from,
    ]
    if run_filter.created_until is not None:
        conditions.append(operation_run.c.created_at < run_filter.created_until)
    return conditions


def _index_prefixes(run_filter: RunFilter) -> Mapping[ColumnElement[Any], Collection[Any]]:
    """Return the filter's values for the first columns of an index of the list.

    Without a bucket in the filter, every bucket counts: there are only a few.
    """
    run = operation_run.c
    buckets: dict[ColumnElement[Any], Collection[Any]] = {
        run.status_bucket: run_filter.status_buckets or frozenset(StatusBucket)
    }
    if run_filter.initiator_ids:
        return {run.initiator_id: run_filter.initiator_ids, **buckets}
    if run_filter.run_types:
        return {run.run_type: run_filter.run_types, **buckets}
    return buckets if run_filter.status_buckets else {}


async def page(
    session: TenantSession,
    run_filter: RunFilter,
    keyset: Keyset,
    *,
    build: Callable[[Sequence[AnyRow]], Sequence[OperationRun]] = runs_of,
) -> Sequence[OperationRun]:
    """Return runs newest first; with `backward` oldest first from the start key.

    For each combination of the filter's values, an index has the runs in the list's order; at
    most a page is read from each. The time depends neither on the number of runs nor on how rare
    the matching ones are.
    """
    run = operation_run.c
    conditions = window(session, run_filter)
    if keyset.start is not None:
        key, start = tuple_(run.created_at, run.id), tuple_(*map(literal, keyset.start))
        conditions.append(key > start if keyset.backward else key < start)

    def first(query: Select[Any], source: Any) -> Select[Any]:
        key = (source.created_at, source.id)
        return query.order_by(*(c if keyset.backward else c.desc() for c in key)).limit(
            keyset.limit
        )

    places = []
    for column, values in _index_prefixes(run_filter).items():
        place = func.unnest(literal(sorted(values), ARRAY(column.type))).column_valued(
            f"each_{column.name}", joins_implicitly=True
        )
        conditions.append(column == place)
        places.append(place.scalar_alias)
    if run_filter.initiator_ids and run_filter.run_types:
        conditions.append(any_of(run.run_type, run_filter.run_types))

    query = select_runs()
    if places:
        keys = first(select(run.created_at, run.id).where(*conditions), run)
        part = keys.correlate(*places).lateral("first_of_each")
        matching = first(select(part).select_from(*places, part), part.c).subquery("matching")
        query = query.where(run.tenant_id == session.tenant_id, run.id == matching.c.id)
    else:
        query = query.where(*conditions)
    return build(await session.rows(first(query, run)))


async def by_ids(session: TenantSession, run_ids: Sequence[UUID]) -> Mapping[UUID, OperationRun]:
    """Return the tenant's runs with these ids."""
    rows = await session.rows(
        select_runs().where(
            operation_run.c.tenant_id == session.tenant_id, any_of(operation_run.c.id, run_ids)
        )
    )
    return {row.id: run_of(row) for row in rows}


async def _pages(
    session: TenantSession,
    run_ids: Sequence[UUID],
    query: Select[Any],
    key: Any,
    build: Callable[[AnyRow], T],
    *,
    after: object,
    limit: int,
) -> Mapping[UUID, Sequence[T]]:
    """Return the first rows of each run in the order of `key`, or the first ones after a key."""
    table = key.table.c
    ids = literal(list(run_ids), ARRAY(table.run_id.type))
    run_id = func.unnest(ids).column_valued(joins_implicitly=True)
    query = query.where(table.tenant_id == session.tenant_id, table.run_id == run_id)
    if after is not None:
        query = query.where(key > after)
    part = query.order_by(key).limit(limit).correlate(run_id.scalar_alias).lateral()
    rows = await session.rows(select(part).select_from(run_id.scalar_alias, part))
    return _grouped(rows, build)


def _grouped(rows: Sequence[AnyRow], build: Callable[[AnyRow], T]) -> Mapping[UUID, Sequence[T]]:
    grouped: dict[UUID, list[T]] = {}
    for row in rows:
        grouped.setdefault(row.run_id, []).append(build(row))
    return grouped


def _failure(row: AnyRow) -> RunFailure:
    reason = FailureReason(row.reason)
    return RunFailure(
        run_id=row.run_id,
        item_key=row.item_key or None,
        reason=reason,
        message=row.message,
        retryable=reason in RETRYABLE,
        error_id=row.error_id,
        attempt=row.attempt,
        occurred_at=row.occurred_at,
    )


async def failures(
    session: TenantSession,
    run_ids: Sequence[UUID],
    *,
    after: str | None,
    reasons: frozenset[FailureReason],
    limit: int,
) -> Mapping[UUID, Sequence[RunFailure]]:
    """Return the first failures of each run by item; the failure of a whole run comes first."""
    query = select(run_failure)
    if reasons:
        query = query.where(run_failure.c.reason.in_(sorted(reasons)))
    key = run_failure.c.item_key
    return await _pages(session, run_ids, query, key, _failure, after=after, limit=limit)


async def skipped(
    session: TenantSession, run_ids: Sequence[UUID], *, after: str | None, limit: int
) -> Mapping[UUID, Sequence[SkippedItem]]:
    """Return the first skipped items of each run by item."""

    def item(row: AnyRow) -> SkippedItem:
        return SkippedItem(row.run_id, row.item_key, row.skip_reason)

    query, key = select(run_item).where(_SKIPPED), run_item.c.item_key
    return await _pages(session, run_ids, query, key, item, after=after, limit=limit)


async def failure_groups(
    session: TenantSession, run_ids: Sequence[UUID]
) -> Mapping[UUID, Sequence[FailureGroup]]:
    """Return each run's failures by reason, the most frequent reason first."""
    count = func.count().label("failures")
    rows = await session.rows(
        select(
            run_failure.c.run_id,
            run_failure.c.reason,
            count,
            func.min(run_failure.c.message).label("example"),
        )
        .where(run_failure.c.tenant_id == session.tenant_id, any_of(run_failure.c.run_id, run_ids))
        .group_by(run_failure.c.run_id, run_failure.c.reason)
        .order_by(run_failure.c.run_id, count.desc(), run_failure.c.reason)
    )

    def group(row: AnyRow) -> FailureGroup:
        reason = FailureReason(row.reason)
        return FailureGroup(reason, row.failures, reason in RETRYABLE, row.example)

    return _grouped(rows, group)


async def events(
    session: TenantSession, run_ids: Sequence[UUID], *, after: int | None, limit: int
) -> Mapping[UUID, Sequence[RunEvent]]:
    """Return the first events of each run's timeline, or the first ones after a version."""
    query, key = select_events().add_columns(run_event.c.run_id), run_event.c.version
    return await _pages(session, run_ids, query, key, event_of, after=after, limit=limit)


async def item_keys(session: TenantSession, run_id: UUID) -> frozenset[str]:
    """Return the keys of the run's recorded items."""
    keys = select(run_item.c.item_key).where(
        run_item.c.tenant_id == session.tenant_id, run_item.c.run_id == run_id
    )
    return frozenset(await session.scalars(keys))
