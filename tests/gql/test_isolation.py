"""Another tenant's things are refused alike, whether they exist or not (T2).

The arguments are found in the schema: a new id or cursor is covered, or a test fails.
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
from tests.gql.api import EVENTS, RESPONSE_JSON, Answer, Client, RunningApi
from tests.gql.arguments import Argument, arguments, owner
from tests.gql.furnished import Furnished, furnish
from tests.gql.tables import contents

GUARDED = [argument for argument in arguments() if argument.kind != "text"]
ASKED = [argument for argument in GUARDED if argument.type_name != "Subscription"]
WATCHED = [argument for argument in GUARDED if argument.type_name == "Subscription"]
# A field that may be null takes the place of `data: null`.
MAY_BE_NULL = {"Query.node(id)"}
# Without a cursor it says nothing before something happens: see notifications/.
SILENT = {"Subscription.notifications(tenantId)"}


@pytest.fixture(scope="module")
async def ours(
    api: RunningApi, resources: dict[Login, Resources], tmp_path_factory: pytest.TempPathFactory
) -> Furnished:
    """A tenant of this module's own: it is changed here."""
    return await furnish(api, resources, tmp_path_factory.mktemp("ours"))


def foreign(argument: Argument, theirs: Furnished) -> Iterator[str]:
    """Yield what their tenant has, what it might have, and what a tenant might have had."""
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
    """Return the variables; a foreign member of a list stands behind one of ours."""
    if not argument.is_list:
        return argument.variables(ours, value)
    return argument.variables(ours, [*argument.owned(ours)[argument.path[-1]], value])


async def refusals(
    client: Client, argument: Argument, ours: Furnished, theirs: Furnished
) -> list[Answer]:
    """Return the answers to every foreign value."""
    asked = [(argument.document, given(argument, ours, v)) for v in foreign(argument, theirs)]
    if argument in WATCHED:
        # One by one: a stream has half a second to fail with a status.
        return [await client.ask(*each, EVENTS) for each in asked]
    return await asyncio.gather(*(client.ask(*each, RESPONSE_JSON) for each in asked))


def test_there_is_something_to_guard() -> None:
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
async def test_what_is_theirs_is_refused_alike_whether_it_exists_or_not(
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
async def test_a_socket_refuses_alike_too(
    api: RunningApi, ours: Furnished, theirs: Furnished, argument: Argument
) -> None:
    refused = set()
    async with owner(api, ours).socket() as connection:
        for value in foreign(argument, theirs):
            payload = {"query": argument.document, "variables": given(argument, ours, value)}
            await connection.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
            refused.add(str(await connection.recv()))
    (message,) = refused
    assert json.loads(message)["type"] == "error"
    assert json.loads(message)["payload"][0]["extensions"]["code"] == "FORBIDDEN"


@pytest.mark.parametrize("argument", ASKED, ids=str)
async def test_what_is_ours_is_let_in_at_the_same_place(
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
async def test_what_is_ours_can_be_watched_at_the_same_place(
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


async def test_no_refused_mutation_leaves_a_trace(
    api: RunningApi, ours: Furnished, theirs: Furnished
) -> None:
    before = await contents(ours.world)
    for argument in ASKED:
        if argument.type_name == "Mutation":
            await refusals(owner(api, ours), argument, ours, theirs)
    assert await contents(ours.world) == before


async def test_every_role_elsewhere_counts_for_nothing_here(
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
