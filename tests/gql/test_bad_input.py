"""No input causes an internal error.

The arguments are read from the schema, so new ones are tested too.
"""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from gql.ids import GlobalId, encode_base64
from gql.pages import Cursor
from opsrun.postgres.engines import Login
from opsrun.resources import Resources
from tests.client import Answer, Client
from tests.gql.api import RunningApi
from tests.gql.arguments import Argument, arguments, owner
from tests.gql.furnished import Furnished, furnish

TEXTS = ("", "\x00", "x" * 10_000, "💥\u202e")
NO_TEXTS = (7, {"a": 1})
IDS = (
    ("Tenant", "seven"),
    ("Nonsense", "seven"),
    ("OperationRun", "seven"),
    ("OperationRun", ""),
    ("Policy", ""),
    ("Policy", "a/b/c"),
    ("Policy", "s/" + "x" * 10_000),
)
VALUES: tuple[Any, ...] = (
    "\x00",
    "\ud800",
    "x" * 5000,
    "0001-01-01T00:00:00+14:00",
    -1,
    2**31,
    2**63,
    10**40,
)
HARMLESS = {"BAD_USER_INPUT", "LIMIT_EXCEEDED", "NOT_FOUND"}
ARGUMENTS = arguments()
_FEEDS = {"operationRun": "feed", "operationRuns": "feed", "notifications": "notifications"}


@pytest.fixture(scope="module")
async def ours(
    api: RunningApi, resources: dict[Login, Resources], tmp_path_factory: pytest.TempPathFactory
) -> Furnished:
    """A tenant for this module, because inputs that turn out to be valid may change it."""
    return await furnish(api, resources, tmp_path_factory.mktemp("ours"))


async def bad_values(client: Client, argument: Argument, ours: Furnished) -> list[Any]:
    values = [*TEXTS, *NO_TEXTS]
    if argument.kind == "id":
        values += (GlobalId(name, ours.world.tenant_id, key).encode() for name, key in IDS)
    elif argument.kind == "cursor":
        for good in ours.cursors.values():
            if await is_accepted(client, argument, ours, good):
                values += distorted(Cursor.decode(good))
    return values


async def is_accepted(client: Client, argument: Argument, ours: Furnished, cursor: str) -> bool:
    if argument.type_name == "Subscription":
        # They accept the cursor of any list, and send a reset for that of another.
        return cursor == ours.cursors[_FEEDS[argument.field_name]]
    answer = await client.ask(argument.document, argument.variables(ours, cursor))
    return "errors" not in answer.body


def distorted(good: Cursor) -> Iterator[str]:
    """Yield cursors of the right list with invalid content."""
    yield Cursor(good.kind, good.tenant_id, ()).encode()
    yield Cursor(good.kind, good.tenant_id, (*good.values, 1)).encode()
    for place in range(len(good.values)):
        for value in VALUES:
            changed = [*good.values]
            changed[place] = value
            yield encode_base64(json.dumps([good.kind, good.tenant_id.hex, *changed]))


def assert_harmless(answer: Answer, case: str) -> None:
    assert answer.status < 500, (case, answer)
    codes = {error["extensions"]["code"] for error in answer.body.get("errors", ())}
    assert codes <= HARMLESS, (case, answer)


@pytest.mark.parametrize(
    "argument", [a for a in ARGUMENTS if a.type_name != "Subscription"], ids=str
)
async def test_no_argument_causes_an_internal_error(
    api: RunningApi, ours: Furnished, argument: Argument
) -> None:
    client = owner(api, ours)

    async def attempt(value: Any) -> None:
        variables = argument.variables(ours, [value] if argument.is_list else value)
        assert_harmless(await client.ask(argument.document, variables), repr(value)[:200])

    await asyncio.gather(*map(attempt, await bad_values(client, argument, ours)))


@pytest.mark.parametrize(
    "argument", [a for a in ARGUMENTS if a.type_name == "Subscription"], ids=str
)
async def test_no_argument_breaks_a_subscription(
    api: RunningApi, ours: Furnished, argument: Argument
) -> None:
    client = owner(api, ours)

    async def attempt(value: Any) -> None:
        variables = argument.variables(ours, [value] if argument.is_list else value)
        async with client.stream(argument.document, variables) as response:
            if response.status_code != 200:
                answer = Answer(response.status_code, await response.aread())
                assert_harmless(answer, repr(value)[:200])

    await asyncio.gather(*map(attempt, await bad_values(client, argument, ours)))


@pytest.mark.parametrize("first", [2**31, -(2**31) - 1, 10**30, 1.5, "3", [3], 101, -1, None])
async def test_no_number_causes_an_internal_error(
    api: RunningApi, ours: Furnished, first: Any
) -> None:
    query = """query ($tenant: ID!, $first: Int) {
      tenant(id: $tenant) { operationRuns(first: $first) { nodes { id } } } }"""
    variables = {"tenant": ours.ids["Tenant"], "first": first}
    # JSON allows longer integers than Python parses; such a body is refused as a whole.
    body = json.dumps({"query": query, "variables": variables}).encode()
    assert_harmless(await owner(api, ours).post(body), repr(first))


@pytest.mark.parametrize("bound", ["createdFrom", "createdUntil"])
@pytest.mark.parametrize(
    "moment",
    [
        "0001-01-01T00:00:00+14:00",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999Z",
        "9999-12-31T23:59:59-14:00",
        "2026-01-31T12:00:00",
        "yesterday",
        "",
        "\x00",
        7,
        {},
    ],
)
async def test_no_timestamp_causes_an_internal_error(
    api: RunningApi, ours: Furnished, bound: str, moment: Any
) -> None:
    query = """query ($tenant: ID!, $filter: OperationRunFilter) { tenant(id: $tenant) {
      operationRuns(filter: $filter) { nodes { id } } operationRunFacets(filter: $filter) {
        createdFrom } } }"""
    variables = {"tenant": ours.ids["Tenant"], "filter": {bound: moment}}
    assert_harmless(await owner(api, ours).ask(query, variables), repr(moment))


@pytest.mark.parametrize(
    "body",
    [
        rb'{"query": "query ($s: String!) { tenant(id: %s) { policies(scopeKey: $s)'
        rb' { nodes { id } } } }", "variables": {"s": "\ud800"}}',
        rb'{"query": "{ tenant(id: %s) { policies(scopeKey: \"\\ud800\") { nodes { id } } } }"}',
        rb'{"query": "{ tenant(id: %s) { policies(scopeKey: \"\\u0000\") { nodes { id } } } }"}',
        b'{"query": "{ tenant(id: %s) { policies(scopeKey: \\"\xff\\") { nodes { id } } } }"}',
        b'{"query": "{ tenant(id: %s) { policies(scopeKey: \\"\x00\\") { nodes { id } } } }"}',
    ],
)
async def test_no_lone_surrogate_causes_an_internal_error(
    api: RunningApi, ours: Furnished, body: bytes
) -> None:
    tenant = json.dumps(json.dumps(ours.ids["Tenant"]))[1:-1].encode()
    answer = await owner(api, ours).post(body.replace(b"%s", tenant))
    assert_harmless(answer, repr(body))
    assert answer.status == 400 or answer.code == "BAD_USER_INPUT"
