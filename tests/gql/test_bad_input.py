"""Whatever a client sends, it never meets an error of ours.

The arguments are found in the schema, so a new one is tried too.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from gql.ids import GlobalId, encode_base64
from gql.pages import Cursor
from opsrun.database import Login
from opsrun.resources import Resources
from tests.gql.api import Answer, Client, RunningApi
from tests.gql.arguments import Argument, arguments, owner
from tests.gql.furnished import Furnished, furnish

TEXTS = ("", "\x00", "x" * 10_000, "💥\u202e")
NO_TEXTS = (7, None, {"a": 1})
KEYS = ("", "seven", "x" * 10_000, "a/b/c", "💥")
VALUES: tuple[Any, ...] = (
    "\x00",
    "\ud800",
    "x" * 5000,
    "0001-01-01T00:00:00+14:00",
    "2026-01-01T00:00:00",
    -1,
    2**31,
    2**63,
    10**40,
    None,
)
HARMLESS = {"BAD_USER_INPUT", "LIMIT_EXCEEDED", "NOT_FOUND"}
ARGUMENTS = arguments()
_FEEDS = {"operationRun": "feed", "operationRuns": "feed", "notifications": "notifications"}


@pytest.fixture(scope="module")
async def ours(
    api: RunningApi, resources: dict[Login, Resources], tmp_path_factory: pytest.TempPathFactory
) -> Furnished:
    """A tenant of this module's own: what is no bad input after all may change it."""
    return await furnish(api, resources, tmp_path_factory.mktemp("ours"))


async def bad_values(client: Client, argument: Argument, ours: Furnished) -> list[Any]:
    values = [*TEXTS, *NO_TEXTS]
    if argument.kind == "id":
        tenant_id = ours.world.tenant_id
        values += (GlobalId(name, tenant_id, "seven").encode() for name in (*ours.ids, "Nonsense"))
        values += (GlobalId("Policy", tenant_id, key).encode() for key in KEYS)
        values += (GlobalId("OperationRun", tenant_id, key).encode() for key in KEYS)
    elif argument.kind == "cursor":
        for good in ours.cursors.values():
            if await is_accepted(client, argument, ours, good):
                values += distorted(Cursor.decode(good))
    return values


async def is_accepted(client: Client, argument: Argument, ours: Furnished, cursor: str) -> bool:
    if argument.type_name == "Subscription":
        # They take the cursor of any list, and begin anew with that of another.
        return cursor == ours.cursors[_FEEDS[argument.field_name]]
    answer = await client.ask(argument.document, argument.variables(ours, cursor))
    return "errors" not in answer.body


def distorted(good: Cursor) -> Iterator[str]:
    """Yield cursors of the right list with something wrong inside."""
    yield Cursor(good.kind, good.tenant_id, ()).encode()
    yield Cursor(good.kind, good.tenant_id, (*good.values, 1)).encode()
    for place in range(len(good.values)):
        for value in VALUES:
            changed = [*good.values]
            changed[place] = value
            yield encode_base64(json.dumps([good.kind, good.tenant_id.hex, *changed]))


def assert_harmless(answer: Answer, told: str) -> None:
    assert answer.status < 500, (told, answer)
    codes = {error["extensions"]["code"] for error in answer.body.get("errors", ())}
    assert codes <= HARMLESS, (told, answer)


@pytest.mark.parametrize(
    "argument", [a for a in ARGUMENTS if a.type_name != "Subscription"], ids=str
)
async def test_no_argument_breaks_us(api: RunningApi, ours: Furnished, argument: Argument) -> None:
    client = owner(api, ours)
    for value in await bad_values(client, argument, ours):
        variables = argument.variables(ours, [value] if argument.is_list else value)
        assert_harmless(await client.ask(argument.document, variables), repr(value)[:200])


@pytest.mark.parametrize(
    "argument", [a for a in ARGUMENTS if a.type_name == "Subscription"], ids=str
)
async def test_no_argument_breaks_a_subscription(
    api: RunningApi, ours: Furnished, argument: Argument
) -> None:
    client = owner(api, ours)
    for value in await bad_values(client, argument, ours):
        variables = argument.variables(ours, [value] if argument.is_list else value)
        async with client.stream(argument.document, variables) as response:
            if response.status_code != 200:
                answer = Answer(response.status_code, await response.aread())
                assert_harmless(answer, repr(value)[:200])
