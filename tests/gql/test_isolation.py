"""Objects of another tenant are refused in the same way, whether they exist or not (T2).

The arguments are read from the schema: a new id or cursor is covered, or a test fails.
"""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from domain.tenancy.roles import TenantRole
from gql.ids import GlobalId
from gql.pages import Cursor
from opsrun.postgres.engines import Login
from opsrun.resources import Resources
from tests.client import EVENTS, RESPONSE_JSON, Answer, Client
from tests.gql.api import RunningApi
from tests.gql.arguments import Argument, arguments, owner
from tests.gql.furnished import Furnished, furnish
from tests.gql.tables import contents

GUARDED = [argument for argument in arguments() if argument.kind != "text"]
ASKED = [argument for argument in GUARDED if argument.type_name != "Subscription"]
WATCHED = [argument for argument in GUARDED if argument.type_name == "Subscription"]
# A nullable field is null instead of `data`.
MAY_BE_NULL = {"Query.node(id)"}
# Without a cursor it sends nothing until a notification arrives: see notifications/.
SILENT = {"Subscription.notifications(tenantId)"}


@pytest.fixture(scope="module")
async def ours(
    api: RunningApi, resources: dict[Login, Resources], tmp_path_factory: pytest.TempPathFactory
) -> Furnished:
    """A tenant for this module, which changes it."""
    return await furnish(api, resources, tmp_path_factory.mktemp("ours"))


def foreign(argument: Argument, theirs: Furnished) -> Iterator[str]:
    """Yield existing values of their tenant, unknown ones, and values of an unknown tenant."""
    if argument.kind == "cursor":
        yield from theirs.cursors.values()
        for tenant in (theirs.world.tenant_id, uuid4()):
            moment = datetime.now(UTC).isoformat()
            yield Cursor("runs", tenant, (moment, uuid4().hex)).encode()
            yield Cursor("nonsense", tenant, ()).encode()
    else:
        yield from theirs.ids.values()
        for tenant in (theirs.world.tenant_id, uuid4()):
            for type_name in ("OperationRun", "Nonsense"):
                yield GlobalId(type_name, tenant, uuid4().hex).encode()


def given(argument: Argument, ours: Furnished, value: str) -> dict[str, Any]:
    """Return the variables; in a list, the foreign value follows one of ours."""
    if not argument.is_list:
        return argument.variables(ours, value)
    return argument.variables(ours, [*argument.owned(ours)[argument.path[-1]], value])


async def refusals(
    client: Client, argument: Argument, ours: Furnished, theirs: Furnished
) -> list[Answer]:
    """Return the responses to every foreign value."""
    requests = [(argument.document, given(argument, ours, v)) for v in foreign(argument, theirs)]
    if argument in WATCHED:
        # Sequentially, because a stream has half a second to fail with a status.
        return [await client.ask(*each, EVENTS) for each in requests]
    return await asyncio.gather(*(client.ask(*each, RESPONSE_JSON) for each in requests))


def test_the_schema_has_ids_and_cursors_to_check() -> None:
    names = {str(argument) for argument in GUARDED}
    assert {
        "Query.tenant(id)",
        "Query.nodes(ids)",
        "Tenant.operationRuns(before)",
        "Tenant.operationRuns(filter.initiatorIds)",
        "DriftReport.findings(after)",
        "Mutation.addPoliciesToBackupSet(input.policyIds)",
        "Subscription.operationRuns(after)",
    } <= names
    assert len(names) > 30


@pytest.mark.parametrize("argument", GUARDED, ids=str)
async def test_foreign_objects_are_refused_in_the_same_way_whether_they_exist_or_not(
    api: RunningApi, ours: Furnished, theirs: Furnished, argument: Argument
) -> None:
    answers = await refusals(owner(api, ours), argument, ours, theirs)
    assert {answer.code for answer in answers} == {"FORBIDDEN"}
    assert len(set(answers)) == 1, "an answer tells what exists"
    assert answers[0].status == 403
    if str(argument) not in MAY_BE_NULL:
        assert answers[0].body.get("data") is None


@pytest.mark.parametrize(
    "argument", [argument for argument in GUARDED if str(argument) not in MAY_BE_NULL], ids=str
)
async def test_a_refusal_without_any_data_is_a_403_for_old_clients_too(
    api: RunningApi, ours: Furnished, theirs: Furnished, argument: Argument
) -> None:
    client = owner(api, ours)
    variables = given(argument, ours, next(foreign(argument, theirs)))
    accept = f"{EVENTS}, application/json;q=0.9" if argument in WATCHED else "application/json"
    answer = await client.ask(argument.document, variables, accept)
    assert (answer.status, answer.body.get("data")) == (403, None)


@pytest.mark.parametrize("argument", WATCHED, ids=str)
async def test_a_websocket_refuses_in_the_same_way(
    api: RunningApi, ours: Furnished, theirs: Furnished, argument: Argument
) -> None:
    refused = set()
    async with owner(api, ours).websocket() as websocket:
        for value in foreign(argument, theirs):
            await websocket.subscribe(argument.document, given(argument, ours, value), "1")
            refused.add(json.dumps(await websocket.receive()))
    message = json.loads(*refused)
    assert message["type"] == "error"
    assert message["payload"][0]["extensions"]["code"] == "FORBIDDEN"


@pytest.mark.parametrize("argument", ASKED, ids=str)
async def test_our_objects_are_accepted_in_the_same_argument(
    api: RunningApi, ours: Furnished, argument: Argument
) -> None:
    client = owner(api, ours)
    values = ours.cursors if argument.kind == "cursor" else ours.ids
    answers = await asyncio.gather(
        *(
            client.ask(argument.document, argument.variables(ours, value))
            for value in ([v] if argument.is_list else v for v in values.values())
        )
    )
    assert any(is_good(answer) for answer in answers)
    assert all(is_good(answer) or answer.code == "BAD_USER_INPUT" for answer in answers)


@pytest.mark.parametrize(
    "argument", [argument for argument in WATCHED if str(argument) not in SILENT], ids=str
)
async def test_our_objects_can_be_watched_with_the_same_argument(
    api: RunningApi, ours: Furnished, argument: Argument, transport: str
) -> None:
    value = argument.owned(ours).get(argument.path[-1])
    if argument.kind == "cursor":
        list_ = "notifications" if argument.field_name == "notifications" else "feed"
        value = ours.cursors[list_]
    variables = argument.variables(ours, value)
    manager = api.member(ours.world, TenantRole.MANAGER)
    async with manager.subscribe(transport, argument.document, variables) as stream:
        assert (await stream.next())["__typename"]


def is_good(answer: Answer) -> bool:
    return answer.status == 200 and "errors" not in answer.body


async def test_a_refused_mutation_changes_nothing(
    api: RunningApi, ours: Furnished, theirs: Furnished
) -> None:
    before = await contents(ours.world)
    for argument in ASKED:
        if argument.type_name == "Mutation":
            await refusals(owner(api, ours), argument, ours, theirs)
    assert await contents(ours.world) == before


async def test_a_role_in_another_tenant_gives_no_access_here(
    api: RunningApi, ours: Furnished, theirs: Furnished
) -> None:
    query = "query ($id: ID!) { tenant(id: $id) { name } }"
    for role in ours.world.members:
        answer = await api.member(ours.world, role).ask(query, {"id": theirs.ids["Tenant"]})
        assert (answer.status, answer.code) == (403, "FORBIDDEN")


@pytest.mark.parametrize("tenant_id", [UUID(int=0), UUID(int=2**128 - 1)])
async def test_no_tenant_id_is_special(api: RunningApi, ours: Furnished, tenant_id: UUID) -> None:
    query = "query ($id: ID!) { tenant(id: $id) { name } }"
    id_ = GlobalId("Tenant", tenant_id).encode()
    assert (await owner(api, ours).ask(query, {"id": id_})).code == "FORBIDDEN"
