"""Every read of the hub: one statement per level, however many rows (H1, H4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    column,
    func,
    lateral,
    literal,
    select,
    true,
    tuple_,
    values,
)
from sqlalchemy import Uuid as UuidType
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.runs.failures import RETRYABLE, FailureReason, RunFailure
from domain.runs.lifecycle import StatusBucket
from domain.runs.models import (
    FailureGroup,
    OperationRun,
    RunEvent,
    RunFacets,
    RunFilter,
)
from domain.runs.repository.rows import AnyRow, event_of, run_of, select_events, select_runs
from domain.tables import operation_run, run_event, run_failure, run_item

FACET_LIMIT = 100_000


@dataclass(frozen=True, slots=True)
class Keyset:
    """A page of the list: `backward` walks from older to newer runs."""

    limit: int
    start: tuple[datetime, UUID] | None = None
    backward: bool = False


def _within(tenant_id: UUID, wanted: RunFilter) -> ColumnElement[bool]:
    run = operation_run.c
    conditions: list[ColumnElement[bool]] = [
        run.tenant_id == tenant_id,
        run.created_at >= wanted.created_from,
    ]
    if wanted.created_until is not None:
        conditions.append(run.created_at < wanted.created_until)
    for source, allowed in (
        (run.run_type, wanted.run_types),
        (run.status_bucket, wanted.status_buckets),
        (run.initiator_id, wanted.initiator_ids),
    ):
        if len(allowed) == 1:
            conditions.append(source == next(iter(allowed)))
        elif allowed:
            conditions.append(source.in_(sorted(allowed)))
    return and_(*conditions)


async def page(
    connection: AsyncConnection, tenant_id: UUID, wanted: RunFilter, keyset: Keyset
) -> Sequence[OperationRun]:
    """Return runs newest first; with `backward` oldest first from the start key."""
    key = tuple_(operation_run.c.created_at, operation_run.c.id)
    query = select_runs().where(_within(tenant_id, wanted)).limit(keyset.limit)
    if keyset.start is not None:
        start = tuple_(*map(literal, keyset.start))
        query = query.where(key > start if keyset.backward else key < start)
    ordered = (operation_run.c.created_at, operation_run.c.id)
    query = query.order_by(*(c if keyset.backward else c.desc() for c in ordered))
    return [run_of(row) for row in await connection.execute(query)]


async def by_ids(
    connection: AsyncConnection, tenant_id: UUID, run_ids: Sequence[UUID]
) -> Sequence[OperationRun]:
    """Return those of the runs that the tenant has."""
    rows = await connection.execute(
        select_runs().where(operation_run.c.tenant_id == tenant_id, operation_run.c.id.in_(run_ids))
    )
    return [run_of(row) for row in rows]


async def newest_succeeded(
    connection: AsyncConnection,
    tenant_id: UUID,
    *,
    resource: str,
    action: str,
    subject: str,
    limit: int,
) -> Sequence[OperationRun]:
    """Return the newest runs of bucket SUCCEEDED about one subject."""
    rows = await connection.execute(
        select_runs()
        .where(
            operation_run.c.tenant_id == tenant_id,
            operation_run.c.run_type == f"{resource}.{action}",
            operation_run.c.subject == subject,
            operation_run.c.status_bucket == StatusBucket.SUCCEEDED.value,
        )
        .order_by(operation_run.c.created_at.desc(), operation_run.c.id.desc())
        .limit(limit)
    )
    return [run_of(row) for row in rows]


async def facets(connection: AsyncConnection, tenant_id: UUID, wanted: RunFilter) -> RunFacets:
    """Count the newest FACET_LIMIT runs of the window by bucket and by type, in one pass."""
    newest = (
        select(operation_run.c.run_type, operation_run.c.status_bucket)
        .where(_within(tenant_id, wanted))
        .order_by(operation_run.c.created_at.desc())
        .limit(FACET_LIMIT + 1)
        .subquery()
    )
    rows = (
        await connection.execute(
            select(newest.c.run_type, newest.c.status_bucket, func.count().label("runs")).group_by(
                newest.c.run_type, newest.c.status_bucket
            )
        )
    ).all()
    by_bucket = dict.fromkeys(StatusBucket, 0)
    by_run_type: dict[str, int] = {}
    for row in rows:
        by_bucket[StatusBucket(row.status_bucket)] += row.runs
        by_run_type[row.run_type] = by_run_type.get(row.run_type, 0) + row.runs
    return RunFacets(
        by_bucket, dict(sorted(by_run_type.items())), sum(by_bucket.values()) > FACET_LIMIT
    )


def _per_run(run_ids: Sequence[UUID], inner: Any) -> Select[Any]:
    wanted = values(column("run_id", UuidType), name="wanted").data([(i,) for i in run_ids])
    part = lateral(inner(wanted.c.run_id))
    return select(part).select_from(wanted.join(part, true()))


def _grouped(rows: Sequence[AnyRow], build: Any) -> dict[UUID, list[Any]]:
    grouped: dict[UUID, list[Any]] = {}
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
    connection: AsyncConnection,
    tenant_id: UUID,
    run_ids: Sequence[UUID],
    *,
    after: str | None,
    reasons: frozenset[FailureReason],
    limit: int,
) -> Mapping[UUID, Sequence[RunFailure]]:
    """Return the first failures of each run, ordered by item; what failed the run comes first."""

    def of_one(run_id: ColumnElement[UUID]) -> Select[Any]:
        query = (
            select(run_failure)
            .where(run_failure.c.tenant_id == tenant_id, run_failure.c.run_id == run_id)
            .order_by(run_failure.c.item_key)
            .limit(limit)
        )
        if after is not None:
            query = query.where(run_failure.c.item_key > after)
        if reasons:
            query = query.where(run_failure.c.reason.in_(sorted(reasons)))
        return query

    return _grouped((await connection.execute(_per_run(run_ids, of_one))).all(), _failure)


async def failure_groups(
    connection: AsyncConnection, tenant_id: UUID, run_ids: Sequence[UUID]
) -> Mapping[UUID, Sequence[FailureGroup]]:
    """Return each run's failures by reason, the most frequent first."""
    count = func.count().label("failures")
    rows = await connection.execute(
        select(
            run_failure.c.run_id,
            run_failure.c.reason,
            count,
            func.min(run_failure.c.message).label("example"),
        )
        .where(run_failure.c.tenant_id == tenant_id, run_failure.c.run_id.in_(run_ids))
        .group_by(run_failure.c.run_id, run_failure.c.reason)
        .order_by(run_failure.c.run_id, count.desc(), run_failure.c.reason)
    )

    def group(row: AnyRow) -> FailureGroup:
        reason = FailureReason(row.reason)
        return FailureGroup(reason, row.failures, reason in RETRYABLE, row.example)

    return _grouped(rows.all(), group)


async def events(
    connection: AsyncConnection,
    tenant_id: UUID,
    run_ids: Sequence[UUID],
    *,
    after_version: int,
    limit: int,
) -> Mapping[UUID, Sequence[RunEvent]]:
    """Return each run's timeline in order."""

    def of_one(run_id: ColumnElement[UUID]) -> Select[Any]:
        return (
            select_events()
            .add_columns(run_event.c.run_id)
            .where(
                run_event.c.tenant_id == tenant_id,
                run_event.c.run_id == run_id,
                run_event.c.version > after_version,
            )
            .order_by(run_event.c.version)
            .limit(limit)
        )

    return _grouped((await connection.execute(_per_run(run_ids, of_one))).all(), event_of)


async def item_keys(connection: AsyncConnection, tenant_id: UUID, run_id: UUID) -> frozenset[str]:
    """Return the items of the run that already have an outcome."""
    rows = await connection.execute(
        select(run_item.c.item_key).where(
            run_item.c.tenant_id == tenant_id, run_item.c.run_id == run_id
        )
    )
    return frozenset(rows.scalars())
