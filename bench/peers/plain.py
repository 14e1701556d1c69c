"""What a Strawberry and SQLAlchemy application does without further thought, and without login."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import orjson
import strawberry
import uvloop
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from strawberry.asgi import GraphQL

from bench.peers.bare import WINDOW
from bench.peers.serving import listening, serve
from domain.tables import operation_run as runs
from domain.tenancy.models import SYSTEM_INITIATOR_ID
from gql.ids import GlobalId
from gql.pages import Cursor


@strawberry.type
class RunCounts:
    total: int | None
    succeeded: int
    failed: int
    skipped: int

    @strawberry.field
    def processed(self) -> int:
        return self.succeeded + self.failed + self.skipped


@strawberry.type
class Initiator:
    kind: str
    name: str


@strawberry.type
class OperationRun:
    id: strawberry.ID
    version: int
    run_type: str
    status: str
    status_bucket: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    counts: RunCounts
    initiator: Initiator


@strawberry.type
class PageInfo:
    has_next_page: bool
    end_cursor: str


@strawberry.type
class OperationRunConnection:
    nodes: list[OperationRun]
    page_info: PageInfo


@strawberry.type
class Tenant:
    key: strawberry.Private[UUID]

    @strawberry.field
    async def operation_runs(self, info: strawberry.Info, first: int) -> OperationRunConnection:
        query = (
            select(runs)
            .where(runs.c.tenant_id == self.key, runs.c.created_at >= datetime.now(UTC) - WINDOW)
            .order_by(runs.c.created_at.desc(), runs.c.id.desc())
            .limit(first + 1)
        )
        engine: AsyncEngine = info.context["engine"]
        async with engine.connect() as connection:
            rows = (await connection.execute(query)).all()
        last = rows[:first][-1]
        end = Cursor("runs", self.key, (last.created_at.isoformat(), last.id.hex)).encode()
        return OperationRunConnection(
            nodes=[_of_row(row) for row in rows[:first]],
            page_info=PageInfo(has_next_page=len(rows) > first, end_cursor=end),
        )


def _of_row(row: Any) -> OperationRun:
    return OperationRun(
        id=GlobalId("OperationRun", row.tenant_id, row.id.hex).encode(),
        version=row.version,
        run_type=row.run_type,
        status=row.status,
        status_bucket=row.status_bucket,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        counts=RunCounts(
            total=row.total, succeeded=row.succeeded, failed=row.failed, skipped=row.skipped
        ),
        initiator=Initiator(
            kind="SYSTEM" if row.initiator_id == SYSTEM_INITIATOR_ID else "USER",
            name=row.initiator_name,
        ),
    )


@strawberry.type
class Query:
    @strawberry.field
    def tenant(self, id: strawberry.ID) -> Tenant:  # noqa: A002
        return Tenant(key=GlobalId.decode(id).tenant_id)


@strawberry.type
class FeedReset:
    cursor: str


@strawberry.type
class OperationRunChanged:
    cursor: str
    change: str
    occurred_at: str
    run: OperationRun


FeedEvent = Annotated[FeedReset | OperationRunChanged, strawberry.union("FeedEvent")]


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def operation_runs(self, tenant_id: strawberry.ID) -> AsyncIterator[FeedEvent]:
        events = asyncio.Queue[OperationRunChanged]()
        _SUBSCRIBERS.add(events)
        try:
            yield FeedReset(cursor="")
            while True:
                yield await events.get()
        finally:
            _SUBSCRIBERS.discard(events)


_SUBSCRIBERS = set[asyncio.Queue[OperationRunChanged]]()


def _publish(text: str) -> None:
    event = orjson.loads(text)
    run, counts = event["run"], event["run"]["counts"]
    created_at, started_at, finished_at = (
        at and datetime.fromisoformat(at)
        for at in (run["createdAt"], run["startedAt"], run["finishedAt"])
    )
    changed = OperationRunChanged(
        cursor=event["cursor"],
        change=event["change"],
        occurred_at=event["occurredAt"],
        run=OperationRun(
            id=run["id"],
            version=run["version"],
            run_type=run["runType"],
            status=run["status"],
            status_bucket=run["statusBucket"],
            created_at=created_at,
            started_at=started_at,
            finished_at=finished_at,
            counts=RunCounts(
                total=counts["total"],
                succeeded=counts["succeeded"],
                failed=counts["failed"],
                skipped=counts["skipped"],
            ),
            initiator=Initiator(**run["initiator"]),
        ),
    )
    for events in _SUBSCRIBERS:
        events.put_nowait(changed)


class _App(GraphQL[dict[str, Any], None]):
    def __init__(self, engine: AsyncEngine) -> None:
        super().__init__(strawberry.Schema(Query, subscription=Subscription))
        self._engine = engine

    async def get_context(self, *_: Any, **__: Any) -> dict[str, Any]:
        return {"engine": self._engine}


async def _main() -> None:
    url = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://", 1)
    async with listening(_publish):
        await serve(_App(create_async_engine(url, pool_size=10)))


if __name__ == "__main__":
    uvloop.run(_main())
