"""A user's operations wait only for each other, and events cost the subscription's owner."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from domain.runs.failures import FailureReason, ProducerError
from domain.tenancy.administration import remove_member
from domain.tenancy.roles import TenantRole
from gql import context as context_module
from gql.context import Context
from gql.documents.reader import DocumentReader, Reading
from gql.limits import turns
from gql.limits.cost import EVENT
from gql.live import tabs
from opsrun.postgres.engines import Login
from opsrun.valkey.budgets import RedisBudgets
from tests.client import TRANSPORTS, WEBSOCKET, Stream
from tests.gql.api import RunningApi, eventually
from tests.gql.runs.watching import WATCH_RUNS, of_tenant
from tests.world import World

NAME = "{ viewer { name } }"
FAILURES = """subscription ($tenant: ID!, $filter: OperationRunFilter) {
  operationRuns(tenantId: $tenant, filter: $filter) {
    ... on FeedReset { cursor }
    ... on OperationRunChanged { run { failures(first: 10) { nodes { itemKey } } } }
  }
}"""


@asynccontextmanager
async def all_turns_taken(api: RunningApi, world: World, role: TenantRole) -> AsyncIterator[None]:
    """Fill all turns of a member until the context closes."""
    gate = api.view.operations.admission
    assert gate is not None
    async with AsyncExitStack() as stack:
        for _ in range(turns.AT_A_TIME):
            await stack.enter_async_context(gate.turns.place(world.members[role].id))
        yield


def waiting(api: RunningApi, world: World, role: TenantRole) -> int:
    """Return the number of a member's waiting operations."""
    gate = api.view.operations.admission
    assert gate is not None
    return gate.turns.waiting(world.members[role].id)


@pytest.mark.parametrize("transport", ["http", *TRANSPORTS])
async def test_a_users_operations_wait_only_for_each_other(
    api: RunningApi, world: World, transport: str
) -> None:
    crowd, other = TenantRole.OPERATOR, TenantRole.READONLY

    async def ask() -> None:
        if transport == "http":
            await api.member(world, crowd).data(NAME)
        else:
            async with api.member(world, crowd).subscribe(
                transport, WATCH_RUNS, of_tenant(world)
            ) as stream:
                await stream.next()

    async with all_turns_taken(api, world, crowd):
        asking = asyncio.create_task(ask())
        await eventually(lambda: waiting(api, world, crowd) == 1)
        await api.member(world, other).data(NAME)
        assert not asking.done()
    await asking


async def test_too_many_waiting_requests_are_refused(
    api: RunningApi, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusals() -> float:
        labels = {"code": "RATE_LIMITED"}
        return api.registry.get_sample_value("opsrun_errors_total", labels) or 0.0

    monkeypatch.setattr(turns, "MOST_WAITING", 1)
    member, role, before = api.member(world), TenantRole.OPERATOR, refusals()
    async with all_turns_taken(api, world, role):
        first = asyncio.create_task(member.ask(NAME))
        await eventually(lambda: waiting(api, world, role) == 1)
        refused = await member.ask(NAME)
        assert (refused.status, refused.code) == (429, "RATE_LIMITED")
        assert refusals() == before + 1
        # A WebSocket has its own limit.
        async with member.subscribe(WEBSOCKET, WATCH_RUNS, of_tenant(world)):
            await eventually(lambda: waiting(api, world, role) == 2)
    assert (await first).status == 200


async def test_a_client_that_leaves_releases_its_turn(api: RunningApi, world: World) -> None:
    role = TenantRole.OPERATOR
    async with all_turns_taken(api, world, role):
        async with api.member(world, role).subscribe(WEBSOCKET, WATCH_RUNS, of_tenant(world)):
            await eventually(lambda: waiting(api, world, role) == 1)
        await eventually(lambda: waiting(api, world, role) == 0)
    for _ in range(2 * turns.AT_A_TIME):
        async with api.member(world, role).subscribe(
            WEBSOCKET, WATCH_RUNS, of_tenant(world)
        ) as live:
            await live.next()
    assert await api.member(world, role).data(NAME)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_equal_subscriptions_of_a_user_execute_an_event_once(
    api: RunningApi, world: World, transport: str
) -> None:
    execution = await world.start_and_claim()
    variables = {"tenant": world.global_id}
    others = {**variables, "filter": {"statusBuckets": ["RUNNING"]}}
    async with AsyncExitStack() as stack:

        async def watch(variables: Mapping[str, object], role: TenantRole) -> Stream:
            stream = await stack.enter_async_context(
                api.member(world, role).subscribe(transport, FAILURES, variables)
            )
            await stream.next()
            return stream

        equal = [await watch(variables, TenantRole.OPERATOR) for _ in range(5)]
        of_other = await watch(variables, TenantRole.READONLY)
        filtered = await watch(others, TenantRole.OPERATOR)
        with api.statements() as statements:
            async with execution.batch() as batch:
                batch.failed("cake", ProducerError(FailureReason.INVALID_JSON, "It was eaten."))
            events = [await stream.next() for stream in (*equal, of_other, filtered)]
    assert [event["run"]["failures"]["nodes"] for event in events] == [[{"itemKey": "cake"}]] * 7
    # One execution for the equal ones, one for the other user, and one for the other filter.
    assert len([s for s in statements if "FROM opsrun.run_failure" in s]) == 3


async def test_events_spend_the_budget_of_the_subscriptions_owner(
    api: RunningApi, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs: list[int] = []

    async def settle(_: RedisBudgets, user_id: object, cost: int) -> None:
        assert user_id == world.members[TenantRole.OPERATOR].id
        costs.append(cost)

    execution = await world.start_and_claim()
    async with api.member(world).subscribe(WEBSOCKET, FAILURES, of_tenant(world)) as stream:
        await stream.next()
        monkeypatch.setattr(RedisBudgets, "settle", settle)
        monkeypatch.setattr(tabs, "PAY_SECONDS", 0.01)
        async with execution.batch() as batch:
            batch.succeeded("cake")
        await stream.next()
        # The event, its run, the page of failures and ten of them; paid a little later.
        await eventually(lambda: sum(costs) >= EVENT + 1 + 1 + 1 + 10)


async def test_an_event_that_waited_is_sent_only_if_its_owner_still_has_access(
    api: RunningApi, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context_module, "PRINCIPAL_SECONDS", 0.0)
    role = TenantRole.OPERATOR
    execution = await world.start_and_claim()
    async with api.member(world, role).subscribe(WEBSOCKET, FAILURES, of_tenant(world)) as stream:
        await stream.next()
        async with all_turns_taken(api, world, role):
            async with execution.batch() as batch:
                batch.succeeded("cake")
            await eventually(lambda: waiting(api, world, role) == 1)
            transactions = world.resources[Login.MAINTENANCE].transactions
            await remove_member(transactions, world.slug, world.members[role])
        kind, payload = await stream.message()
    assert kind == "error", payload
    assert payload[0]["extensions"]["code"] in ("FORBIDDEN", "UNAUTHENTICATED")


async def test_an_execution_keeps_its_turn_when_its_subscriber_has_left(
    api: RunningApi, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, release = asyncio.Event(), asyncio.Event()
    load = Context.load

    async def held(*arguments: Any, **keywords: Any) -> Any:
        began.set()
        await release.wait()
        return await load(*arguments, **keywords)

    role = TenantRole.OPERATOR
    user_id, user_turns = world.members[role].id, api.view.operations.admission.turns
    execution = await world.start_and_claim()
    async with api.member(world, role).subscribe(WEBSOCKET, FAILURES, of_tenant(world)) as stream:
        await stream.next()
        monkeypatch.setattr(Context, "load", held)
        async with execution.batch() as batch:
            batch.succeeded("cake")
        await began.wait()
    await eventually(lambda: world.tenant_id not in api.cases.feeds._feeds)
    assert user_turns._taken[user_id] == 1
    release.set()
    await eventually(lambda: user_turns._taken[user_id] == 0)


async def test_a_client_that_leaves_still_pays_for_reading_its_document(
    api: RunningApi, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    owed: list[int] = []
    monkeypatch.setattr(RedisBudgets, "owe", lambda _, __, cost: owed.append(cost))
    reading = asyncio.Event()
    read = DocumentReader._read_in_thread

    async def noted(reader: DocumentReader, text: str, user_id: UUID) -> Reading:
        reading.set()
        return await read(reader, text, user_id)

    monkeypatch.setattr(DocumentReader, "_read_in_thread", noted)
    fields = " ".join(f"f{number}: __typename" for number in range(50))
    async with api.member(world).websocket() as websocket:
        id_ = await websocket.subscribe(f"{{ {fields} }}")
        await reading.wait()
        await websocket.send(type="complete", id=id_)
    await eventually(lambda: len(owed) == 1)


@pytest.mark.parametrize("deep", [{"a": 1}, [1]])
async def test_deep_variables_are_refused(api: RunningApi, world: World, deep: object) -> None:
    for _ in range(300):
        deep = [deep]
    async with api.member(world).subscribe(
        WEBSOCKET, WATCH_RUNS, {**of_tenant(world), "unused": deep}
    ) as stream:
        assert await stream.failure() == "LIMIT_EXCEEDED"


async def test_a_refused_document_has_the_cost_of_reading_it(
    api: RunningApi, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent: list[int] = []
    owed: list[int] = []

    async def spend(_: RedisBudgets, __: object, cost: int) -> None:
        spent.append(cost)

    def owe(_: RedisBudgets, __: object, cost: int) -> None:
        owed.append(cost)

    monkeypatch.setattr(RedisBudgets, "spend", spend)
    monkeypatch.setattr(RedisBudgets, "owe", owe)
    member = api.member(world)
    await member.ask("{ nonsense }")
    unknown = " ".join(f"... on OperationRunn{number} {{ id }}" for number in range(280))
    answer = await member.ask(f"{{ __typename {unknown} }}")
    assert answer.body["errors"]
    assert spent == [10, 10]
    cheap, dear = owed
    assert cheap <= 0 < dear


@pytest.mark.parametrize(
    "value",
    [
        {"filter": {f"statusBucket{number}": 1 for number in range(1500)}},
        {"filter": {"statusBuckets": ["SUCCEEDEDD"] * 1500}},
        {"filter": {"runTypes": [{}] * 1500}},
    ],
)
async def test_wrong_variables_are_refused_after_a_few_errors(
    api: RunningApi, world: World, value: dict[str, object]
) -> None:
    document = (
        "query ($t: ID!, $filter: OperationRunFilter) { tenant(id: $t)"
        " { operationRuns(filter: $filter) { nodes { id } } } }"
    )
    answer = await api.member(world).ask(document, {"t": world.global_id, **value})
    errors = answer.body["errors"]
    assert {error["extensions"]["code"] for error in errors} == {"BAD_USER_INPUT"}
    assert len(errors) <= 4
    assert len(answer.content) < 5_000


async def test_too_many_variables_are_refused(strict: RunningApi, world: World) -> None:
    answer = await strict.member(world).ask(NAME, {"unused": [[0] * 10] * 10})
    assert answer.code == "LIMIT_EXCEEDED"
    assert "100 values" in answer.body["errors"][0]["message"]
