"""CPU time of compiled execution beside graphql-core's, in process, by turns.

python -m tests.gql.compiled.measuring [ROUNDS]
"""

import asyncio
import gc
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from enum import Enum
from inspect import isawaitable
from statistics import median
from time import process_time
from typing import Any

import strawberry
from graphql import DocumentNode, execute, parse
from graphql.execution import Executor, execute_subscription_event
from strawberry.dataloader import DataLoader
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from gql.compiled import CompiledExecutor

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
EXECUTORS: list[type[Executor[Any]]] = [StrawberryGraphQLCoreExecutionContext, CompiledExecutor]


@strawberry.enum
class Bucket(Enum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"


@strawberry.type
class Counts:
    total: int = 100
    processed: int = 100
    succeeded: int = 99
    failed: int = 1
    skipped: int = 0


@strawberry.type
class Owner:
    id: strawberry.ID
    kind: Bucket = Bucket.DONE
    name: str = "Ada"


@strawberry.interface
class Node:
    id: strawberry.ID


@strawberry.type
class Run(Node):
    owner_id: strawberry.Private[int]
    run_type: str = "inventory.sync"
    resource: str = "inventory"
    action: str = "sync"
    status: str = "completed"
    bucket: Bucket = Bucket.DONE
    explanation: str = "All went well."
    counts: Counts = strawberry.field(default_factory=Counts)
    progress: float | None = 1.0
    initiator: Owner = strawberry.field(default_factory=lambda: Owner(id=strawberry.ID("u")))
    attempt: int = 1
    version: int = 7
    created_at: datetime = NOW
    started_at: datetime | None = NOW
    finished_at: datetime | None = NOW
    url: str = "https://hub/runs/1"

    @strawberry.field
    async def owner(self, info: strawberry.Info) -> Owner:
        owner: Owner = await info.context["loader"].load(self.owner_id)
        return owner

    @strawberry.field
    def label(self, prefix: str = "x") -> str:
        return f"{prefix} {self.id}"


RUNS = [Run(id=strawberry.ID(f"run {number}"), owner_id=number % 10) for number in range(50)]


@strawberry.type
class Edge:
    cursor: str
    node: Run


@strawberry.type
class Connection:
    edges: list[Edge]
    nodes: list[Run]


@strawberry.type
class Query:
    @strawberry.field
    async def page(self, first: int = 50) -> Connection:
        return Connection(edges=[Edge(cursor="c", node=run) for run in RUNS], nodes=RUNS)

    @strawberry.field
    async def runs(self, first: int = 50) -> list[Run]:
        return RUNS


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def run(self) -> AsyncIterator[Run]:
        yield RUNS[0]


SCHEMA = strawberry.Schema(Query, subscription=Subscription)._schema
FIELDS = """id runType resource action status bucket explanation
  counts { total processed succeeded failed skipped } progress initiator { id kind name }
  attempt version createdAt startedAt finishedAt url"""
CASES = {
    "list page: 50 runs of 25 fields": f"""query($n: Int!) {{
      page(first: $n) {{ edges {{ cursor node {{ {FIELDS} }} }} }} }}""",
    "50 objects with an async DataLoader field": """query($n: Int!) {
      runs(first: $n) { id status createdAt owner { id name } } }""",
    "50 objects with a sync resolver and an argument": """query($n: Int!, $p: String! = "y") {
      runs(first: $n) { id status createdAt label(prefix: $p) } }""",
    "`{ __typename }`": "{ __typename }",
    "an event of a subscription": f"subscription {{ run {{ {FIELDS} }} }}",
}


async def run(document: DocumentNode, executor: type[Executor[Any]]) -> Any:
    """Execute a document once."""

    async def load(keys: list[int]) -> list[Owner]:
        return [Owner(id=strawberry.ID(str(key))) for key in keys]

    context = {"loader": DataLoader(load)}
    options: Any = {"context_value": context, "is_awaitable": optimized_is_awaitable}
    if "subscription" in str(document.loc and document.loc.source.body):
        built = executor.build(SCHEMA, document, **options)
        assert isinstance(built, Executor)
        return execute_subscription_event(built.build_per_event_executor(RUNS[0]))
    options |= {"variable_values": {"n": 50}, "executor_class": executor}
    result: Any = execute(SCHEMA, document, **options)
    return await result if isawaitable(result) else result


async def seconds(document: DocumentNode, executor: type[Executor[Any]]) -> float:
    """Return the CPU time of one execution."""
    began = process_time()
    result = await run(document, executor)
    took = process_time() - began
    assert result.errors is None
    return took


async def measure(rounds: int) -> None:
    """Print a line for each case: microseconds of both, their ratio, and of compiling."""
    for name, text in CASES.items():
        document = parse(text)
        answers = [await run(document, executor) for _ in range(3) for executor in EXECUTORS]
        assert all(answer.data == answers[0].data for answer in answers)
        times = [
            [await seconds(document, executor) for executor in EXECUTORS] for _ in range(rounds)
        ]
        core, compiled = (median(column) * 1e6 for column in zip(*times, strict=True))
        compiling = []
        for _ in range(30):
            fresh = parse(text)
            await run(fresh, CompiledExecutor)
            second, third = [await seconds(fresh, CompiledExecutor) for _ in range(2)]
            compiling.append(second - third)
        cells = (
            f"{core:.0f} | {compiled:.0f} | {core / compiled:.1f} | {median(compiling) * 1e6:.0f}"
        )
        print(f"| {name} | {cells} |", flush=True)  # noqa: T201


if __name__ == "__main__":
    gc.collect()
    gc.freeze()
    asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 300))
