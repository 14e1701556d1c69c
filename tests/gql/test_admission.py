"""Operations beyond a limit are refused before any resolver runs, on every transport."""

from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from tests.client import RESPONSE_JSON, SSE, WEBSOCKET
from tests.gql.api import RunningApi
from tests.world import World

TENANT = "query ($t: ID!) { tenant(id: $t) "
TOO_MUCH = {
    "tokens": "{ viewer { " + "name " * 100 + "} }",
    "depth": TENANT + "{ operationRuns { nodes { tenant { operationRuns { nodes { id } } } } } } }",
    "fields": "{ viewer { ...A b: memberships { ...B c: tenant { ...C } } } }"
    " fragment A on Viewer { name email memberships { ...B tenant { ...C } } }"
    " fragment B on Membership { role tenant { ...C } }"
    " fragment C on Tenant { id slug name viewerRole }",
    "aliases": "{ viewer { a: name b: name c: name d: name } }",
    "directives": "{ viewer { name @skip(if: false) @include(if: true) email @skip(if: true)"
    " memberships @skip(if: true) { role } } }",
    "duplicates": "{ viewer { name name name name name } }",
    "items": TENANT + "{ operationRuns(first: 101) { nodes { id } } } }",
    "costs": TENANT + "{ operationRuns(first: 99) { nodes { initiator { name } } } } }",
}
HARMLESS = "{ viewer { name } }"
FEED = "subscription ($t: ID!) { operationRuns(tenantId: $t) { __typename } }"


@pytest.mark.parametrize("what", TOO_MUCH)
@pytest.mark.parametrize("transport", ["http", WEBSOCKET, SSE])
async def test_an_operation_beyond_a_limit_is_refused_before_it_reads(
    strict: RunningApi, world: World, transport: str, what: str
) -> None:
    client = strict.member(world)
    variables = {"t": world.global_id}
    await client.data(HARMLESS)
    with strict.statements() as statements:
        if transport == "http":
            answer = await client.ask(TOO_MUCH[what], variables)
            assert answer.status == 400
            [error] = answer.body["errors"]
            assert "data" not in answer.body
        else:
            async with client.subscribe(transport, TOO_MUCH[what], variables) as stream:
                kind, [error] = await stream.message()
                assert kind == "error"
    assert error["extensions"]["code"] == "LIMIT_EXCEEDED"
    assert what in error["message"]
    # Only the caller's roles were read.
    assert [s for s in statements if "operation_run" in s] == []


async def test_subscriptions_have_the_same_limits(strict: RunningApi, world: World) -> None:
    everything = "subscription ($t: ID!) { operationRuns(tenantId: $t) { ... on FeedReset { runs {"
    everything += " initiator { name } counts { total } tenant { slug } } } } }"
    async with strict.member(world).subscribe(
        WEBSOCKET, everything, {"t": world.global_id}
    ) as stream:
        assert await stream.failure() == "LIMIT_EXCEEDED"


async def test_the_response_shows_its_cost(strict: RunningApi, world: World) -> None:
    answer = await strict.member(world).ask(HARMLESS)
    assert answer.body["extensions"] == {"cost": {"points": 11, "limit": 200}}


@pytest.mark.parametrize("transport", [WEBSOCKET, SSE])
async def test_a_stream_shows_its_cost_once(
    strict: RunningApi, world: World, transport: str
) -> None:
    async with strict.member(world).subscribe(transport, FEED, {"t": world.global_id}) as stream:
        _, first = await stream.message()
        assert first["extensions"] == {"cost": {"points": 31, "limit": 200}}
        await world.start()
        _, second = await stream.message()
        assert "extensions" not in second or second["extensions"] == {}


async def test_a_repeated_document_is_checked_with_its_new_variables(
    strict: RunningApi, world: World
) -> None:
    client = strict.member(world)
    text = (
        "query ($t: ID!, $n: Int) { tenant(id: $t) { operationRuns(first: $n) { nodes { id } } } }"
    )
    for size, status in ((5, 200), (101, 400), (5, 200)):
        answer = await client.ask(text, {"t": world.global_id, "n": size})
        assert answer.status == status


async def test_a_refused_document_is_refused_again(strict: RunningApi, world: World) -> None:
    client = strict.member(world)
    for text in (TOO_MUCH["aliases"], "{ nonsense }", "{ viewer {"):
        first, second = [(await client.ask(text)).body for _ in range(2)]
        assert first == second
        assert first["errors"]


@pytest.mark.parametrize(
    "ask", ["{ __schema { types { name } } }", '{ __type(name: "Query") { name } }']
)
async def test_introspection_can_be_off(strict: RunningApi, world: World, ask: str) -> None:
    answer = await strict.member(world).ask(ask)
    assert answer.status == 400
    error = answer.body["errors"][0]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert "introspection" in error["message"]
    assert (await strict.member(world).data("{ __typename }"))["__typename"] == "Query"


WRONG_NAMES: list[tuple[str, dict[str, Any]]] = [
    ("{ viewr { name } }", {}),
    ("{ viewer { nam } }", {}),
    ('{ node(id: "x") { ... on OperationRuns { id } } }', {}),
    (
        "query ($t: ID!, $f: OperationRunFilter) { tenant(id: $t)"
        " { operationRuns(filter: $f) { nodes { id } } } }",
        {"t": "x", "f": {"statusBuckets": ["FAILD"]}},
    ),
    (
        "subscription ($t: ID!, $f: OperationRunFilter) { operationRuns(tenantId: $t, filter: $f)"
        " { __typename } }",
        {"t": "x", "f": {"statusBuckets": ["FAILD"]}},
    ),
]


@pytest.mark.parametrize(("text", "variables"), WRONG_NAMES)
async def test_suggestions_can_be_off(
    strict: RunningApi, api: RunningApi, world: World, text: str, variables: dict[str, Any]
) -> None:
    async def message(running: RunningApi) -> str:
        async with running.member(world).subscribe(WEBSOCKET, text, variables) as stream:
            _, [error, *_] = await stream.message()
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        return str(error["message"])

    assert "Did you mean" not in await message(strict)
    assert "Did you mean" in await message(api)


async def test_too_many_operations_on_a_websocket_are_refused_one_by_one(
    strict: RunningApi, world: World
) -> None:
    variables = {"t": world.global_id}
    async with strict.member(world).websocket() as websocket:
        for id_ in ("1", "2", "3"):
            await websocket.subscribe(FEED, variables, id_)
        seen = [await websocket.receive() for _ in range(3)]
        refused = [message for message in seen if message["type"] == "error"]
        assert [message["id"] for message in refused] == ["3"]
        assert refused[0]["payload"][0]["extensions"]["code"] == "LIMIT_EXCEEDED"
        assert {message["id"] for message in seen if message["type"] == "next"} == {"1", "2"}
        await websocket.subscribe(FEED, variables, "1")
        with pytest.raises(ConnectionClosed) as closed:
            while (await websocket.receive())["type"] != "error":
                pass
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4409


async def test_application_json_reports_errors_in_the_body(
    strict: RunningApi, world: World
) -> None:
    answers = [
        await strict.member(world).ask(TOO_MUCH["aliases"], accept=accept)
        for accept in ("application/json", RESPONSE_JSON)
    ]
    assert [answer.status for answer in answers] == [200, 400]
    assert [answer.code for answer in answers] == ["LIMIT_EXCEEDED"] * 2
