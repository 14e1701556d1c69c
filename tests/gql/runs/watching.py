"""Runs that tests move step by step, and documents that watch them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from domain.runs.execution import RunExecution
from domain.runs.failures import FailureReason, ProducerError
from domain.tenancy.models import Principal
from domain.tenancy.service import Tenancy
from domain.tenancy.session import DatabaseUnavailableError
from gql import context as context_module
from gql.ids import GlobalId
from gql.limits.limits import Limits
from gql.pages import Cursor
from gql.request import GraphQLParams
from gql.schema import schema
from tests.client import PATIENCE
from tests.gql.test_context import context_of
from tests.gql.transport.demo import operations_of
from tests.world import LEASE, World

WATCH_RUN = """subscription ($id: ID!, $after: String) {
  operationRun(id: $id, after: $after) {
    kind cursor occurredAt
    run { id version statusBucket status attempt counts { total processed succeeded failed } }
  }
}"""
WATCH_RUNS = """subscription ($tenant: ID!, $filter: OperationRunFilter, $after: String) {
  operationRuns(tenantId: $tenant, filter: $filter, after: $after) {
    __typename
    ... on OperationRunChanged { change cursor run { ...progress } }
    ... on FeedReset { reason cursor runs { ...progress } }
    ... on FeedHeartbeat { cursor }
  }
}
fragment progress on OperationRun { id version statusBucket counts { total processed } }"""


def run_id(world: World, execution: RunExecution) -> str:
    """Return the run's global id."""
    return GlobalId("OperationRun", world.tenant_id, execution.run.id.hex).encode()


async def claim(world: World, run: str) -> RunExecution:
    """Claim a queued run as a worker."""
    execution = await world.claimer.claim(world.tenant_id, GlobalId.decode(run).uuid_key(), LEASE)
    assert execution is not None
    return execution


async def succeed(execution: RunExecution, *items: str) -> None:
    """Record items as done, in one batch."""
    async with execution.batch() as batch:
        for item in items:
            batch.succeeded(item)


async def fail(execution: RunExecution, *items: str) -> None:
    """Record items as failed, in one batch."""
    async with execution.batch() as batch:
        for item in items:
            batch.failed(item, ProducerError(FailureReason.INVALID_JSON, f"{item} is not JSON."))


async def queue(world: World) -> str:
    """Start a run with a unique type; return its id."""
    started = await world.start()
    return GlobalId("OperationRun", world.tenant_id, started.run.id.hex).encode()


async def live(world: World) -> str:
    """Move a run from start to partial success; it has six events."""
    run = await queue(world)
    execution = await claim(world, run)
    await execution.set_total(3)
    await succeed(execution, "a")
    await fail(execution, "b", "c")
    await execution.finish()
    return run


def versions(events: list[Mapping[str, Any]]) -> list[tuple[int, str]]:
    """Return the fields that identify an event of a run."""
    return [(event["run"]["version"], event["kind"]) for event in events]


LIFE = [
    (1, "QUEUED"),
    (2, "STARTED"),
    (3, "PROGRESSED"),
    (4, "PROGRESSED"),
    (5, "PROGRESSED"),
    (6, "FINISHED"),
]


def of_tenant(world: World, **variables: Any) -> dict[str, Any]:
    """Return the variables of a subscription to the tenant's list."""
    return {"tenant": world.global_id, **variables}


async def cursor_at(world: World, seq: int) -> str:
    """Return the feed's cursor after the event with this number."""
    ((epoch,),) = await world.rows(
        "SELECT epoch FROM opsrun.tenant_feed WHERE tenant_id = :tenant_id"
    )
    return Cursor("feed", world.tenant_id, (epoch.hex, seq)).encode()


def changed(event: Mapping[str, Any]) -> tuple[str, int]:
    """Return the change and the state of an event's run."""
    return event["change"], event["run"]["version"]


Pull = Callable[[], Awaitable[Any]]


@asynccontextmanager
async def slow_reader(
    world: World, monkeypatch: pytest.MonkeyPatch, query: str, variables: Mapping[str, Any]
) -> AsyncIterator[Pull]:
    """Subscribe as a slow client whose roles are read again for each event.

    Each pull returns the next value of the subscription's one field, or the code of its error.
    """
    monkeypatch.setattr(context_module, "PRINCIPAL_SECONDS", 0.0)
    context = context_of(world)
    await context.identify()
    operations = operations_of(schema, Limits())
    results = operations.stream(GraphQLParams(query, dict(variables)), context)

    async def pull() -> Any:
        async with asyncio.timeout(PATIENCE):
            result = await anext(results)
        if result.errors:
            return (result.errors[0].extensions or {})["code"]
        (value,) = (result.data or {}).values()
        return value

    async with aclosing(results):
        yield pull


def lose_the_database_once(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Make the next read of a role fail; return a function that reports whether it has failed."""
    monkeypatch.setattr(context_module, "RETRY_SECONDS", 0.01)
    lost, principal = asyncio.Event(), Tenancy.principal

    async def away(*args: Any, **kwargs: Any) -> Principal | None:
        if lost.is_set():
            return await principal(*args, **kwargs)
        lost.set()
        raise DatabaseUnavailableError("gone")

    monkeypatch.setattr(Tenancy, "principal", away)
    return lost
