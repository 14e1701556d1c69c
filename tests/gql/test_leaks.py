"""No response to our member contains data of their tenant or shows whether it exists.

Arguments and selections are built from the schema: a new one is covered, or a test fails with its
coordinate. Everything of theirs is marked, so that a trace of it is seen wherever it turns up.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from graphql import GraphQLObjectType, get_named_type

from domain.tenancy.roles import TenantRole
from gql.ids import GlobalId, decode_base64, encode_base64
from gql.pages import Cursor
from opsrun.postgres.engines import Login
from opsrun.resources import Resources
from tests.client import WEBSOCKET, Answer
from tests.gql.api import RunningApi
from tests.gql.arguments import BUILT, Argument, arguments, owner
from tests.gql.furnished import SCOPE, Furnished, furnish, sync
from tests.gql.selections import below, coordinates, everything
from tests.gql.traces import another, comparable, marks, traces
from tests.ledger import TENANT_COLUMNS

ARGUMENTS = arguments()
WATCHED = [argument for argument in ARGUMENTS if argument.type_name == "Subscription"]
ASKED = [argument for argument in ARGUMENTS if argument not in WATCHED]
# It sends nothing until a notification arrives: see the last test.
SILENT = {"Subscription.notifications(after)"}

# A document that returns each kind of cursor.
CURSORS = {
    "Tenant.operationRuns": "operationRuns",
    "Tenant.policies": "policies",
    "Tenant.driftFindings": "driftFindings",
    "Tenant.backupSets": "backupSets",
    "Tenant.groups": "groups",
    "Group.members": "members",
    "Tenant.notifications": "notifications",
    "OperationRun.failures": "failures",
    "OperationRun.skippedItems": "skipped",
    "OperationRun.events": "events",
    "BackupSet.policies": "copies",
    "DriftReport.findings": "driftFindings",
    "Notification.cursor": "notifications",
    "OperationRunEvent.cursor": "feed",
    "OperationRunChanged.cursor": "feed",
    "FeedReset.cursor": "feed",
    "FeedHeartbeat.cursor": "feed",
}
# Texts of the product and of operators, which belong to no tenant.
WORDS = {
    "tenant.export_folder",
    "group_sync.source",
    "membership.role",
    "operation_run.resource",
    "operation_run.action",
    "operation_run.run_type",
    "operation_run.status",
    "operation_run.status_bucket",
    "operation_run.lease_owner",
    "run_item.outcome",
    "run_failure.reason",
    "run_failure.error_id",
    "run_event.kind",
    "run_event.status",
    "run_event.status_bucket",
    "run_event.previous_bucket",
    "outbox.run_type",
    "run_count.grouped_by",
    "run_count.run_type",
    "run_count.status_bucket",
    "notification.outcome",
    "inventory_policy.format",
    "inventory_policy.policy_type",
    "drift_finding.policy_type",
    "group_member.kind",
    "drift_finding.kind",
    "backup_set_policy.policy_type",
}

_CODE = re.compile(r'"code":\s*"([A-Z_]+)"')


@pytest.fixture(scope="module")
async def ours(
    api: RunningApi, resources: dict[Login, Resources], tmp_path_factory: pytest.TempPathFactory
) -> Furnished:
    """A tenant for this module, whose users never named anything of theirs."""
    return await furnish(api, resources, tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
async def changing(
    api: RunningApi, resources: dict[Login, Resources], tmp_path_factory: pytest.TempPathFactory
) -> Furnished:
    """A tenant of ours in which mutations may store their names."""
    return await furnish(api, resources, tmp_path_factory.mktemp("changing"))


@pytest.fixture(scope="module")
async def theirs(
    api: RunningApi, resources: dict[Login, Resources], tmp_path_factory: pytest.TempPathFactory
) -> Furnished:
    """A second tenant, in which every name is marked."""
    tenant = await furnish(api, resources, tmp_path_factory.mktemp("theirs"), marked=True)
    # Messages of the product contain no data of a tenant.
    await tenant.world.write(
        "UPDATE opsrun.run_failure SET message = message || :mark WHERE tenant_id = :tenant_id",
        mark=tenant.world.slug,
    )
    # The mark looks like a secret, so the subject of another package's run hides it.
    await tenant.world.write(
        "UPDATE opsrun.operation_run SET subject = 'weekly' || :mark"
        " WHERE tenant_id = :tenant_id AND run_type = 'report.export'",
        mark=tenant.world.slug,
    )
    await tenant.world.write(
        "UPDATE opsrun.run_item SET skip_reason = skip_reason || :mark"
        " WHERE tenant_id = :tenant_id",
        mark=tenant.world.slug,
    )
    return tenant


@pytest.fixture(scope="module")
async def their_marks(theirs: Furnished, ours: Furnished) -> set[str]:
    """The marks that only rows of their tenant contain."""
    return await marks(theirs.world) - await marks(ours.world)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A value of theirs, and for ids the same with ids that do not exist."""

    value: str
    unknown: str | None = None


def attempts(argument: Argument, ours: Furnished, theirs: Furnished) -> Iterator[Attempt]:
    """Yield their names, ids and cursors, and the same ids and cursors with our tenant in them."""
    if argument.kind == "text":
        yield from (Attempt(name, another(name)) for name in theirs.names)
        return
    there, here = (tenant.world.tenant_id.hex for tenant in (theirs, ours))
    for value in (theirs.ids if argument.kind == "id" else theirs.cursors).values():
        yield Attempt(value)
        if value != theirs.ids["Tenant"]:
            parts = decode_base64(value).split(there)
            disguised, unknown = here.join(parts), here.join(map(another, parts))
            yield Attempt(encode_base64(disguised), encode_base64(unknown))


def sent(argument: Argument, value: str) -> set[str]:
    """Return the parts of a value that a response may repeat because the client sent them."""
    if argument.kind == "text":
        return {value}
    if argument.kind == "id":
        key = GlobalId.decode(value).key
        parts = {key, *key.split("/")} - {""}
    else:
        parts = {part for part in Cursor.decode(value).values if isinstance(part, str)}
    return {value, value[:60], *parts}


def given(tenant: Furnished) -> dict[str, str]:
    """Return the required arguments of nested fields."""
    return {"scopeKey": SCOPE, "runId": tenant.drift_run, "runType": "inventory.sync"}


async def answer(api: RunningApi, argument: Argument, ours: Furnished, value: str) -> bytes:
    """Return the response with everything below the field, or the first one of a stream."""
    # Everything below our tenant is read once, in a later test.
    type_name = get_named_type(argument.field.type).name
    document = argument.asking(everything(type_name, given(ours), frozenset({"Tenant"})))
    variables = argument.variables(ours, [value] if argument.is_list else value)
    client = owner(api, ours)
    if argument in WATCHED:
        async with client.stream(document, variables) as response:
            if response.status_code != 200:
                return await response.aread()
            async for line in response.aiter_lines():
                if line.startswith("data:") and line != "data:":
                    return line.encode()
    return (await client.ask(document, variables)).content


@pytest.mark.parametrize("argument", [a for a in ARGUMENTS if str(a) not in SILENT], ids=str)
async def test_no_argument_leads_to_their_data(
    api: RunningApi,
    ours: Furnished,
    changing: Furnished,
    theirs: Furnished,
    their_marks: set[str],
    argument: Argument,
) -> None:
    ours = changing if argument.type_name == "Mutation" else ours
    for attempt in attempts(argument, ours, theirs):
        response = await answer(api, argument, ours, attempt.value)
        mine = sent(argument, attempt.value)
        assert traces(response, their_marks, mine) == set()
        codes = {*_CODE.findall(response.decode())}
        if attempt.unknown is None:
            assert codes == {"FORBIDDEN"}  # whether it exists or not: see test_isolation
        else:
            assert codes <= {"BAD_USER_INPUT", "NOT_FOUND"}
            missed = await answer(api, argument, ours, attempt.unknown)
            assert comparable(response, mine) == comparable(missed, sent(argument, attempt.unknown))


async def test_no_representation_leads_to_their_data(
    subgraph: RunningApi, ours: Furnished, theirs: Furnished, their_marks: set[str]
) -> None:
    node = everything("Node", given(ours), frozenset({"Tenant"}))
    query = f"query ($all: [_Any!]!) {{ _entities(representations: $all) {node} }}"
    [by_id] = [argument for argument in ARGUMENTS if str(argument) == "Query.node(id)"]

    async def entity(id_: str, type_name: str) -> bytes:
        representation = {"__typename": type_name, "id": id_}
        return (await owner(subgraph, ours).ask(query, {"all": [representation]})).content

    assert ours.drift_run.encode() in await entity(ours.drift_run, "OperationRun")
    for attempt in attempts(by_id, ours, theirs):
        own = GlobalId.decode(attempt.value).type_name
        mine = {own, *sent(by_id, attempt.value)}
        for name in theirs.ids.keys() - {"Initiator"}:
            response = await entity(attempt.value, name)
            assert traces(response, their_marks, mine) == set()
            codes = {*_CODE.findall(response.decode())}
            if attempt.unknown is None:
                assert codes == {"FORBIDDEN"}
            else:
                assert codes == (set() if name == own else {"BAD_USER_INPUT"})
                missed = await entity(attempt.unknown, name)
                unknown = {own, *sent(by_id, attempt.unknown)}
                assert comparable(response, mine) == comparable(missed, unknown)


async def everything_of(api: RunningApi, tenant: Furnished, names: dict[str, str]) -> Answer:
    """Return everything that the tenant's manager can see."""
    viewer, place, node = (everything(name, names) for name in ("Viewer", "Tenant", "Node"))
    query = (
        "query ($tenant: ID!, $ids: [ID!]!)"
        f" {{ viewer {viewer} tenant(id: $tenant) {place} nodes(ids: $ids) {node} }}"
    )
    ids = [tenant.drift_run, tenant.broken_run, tenant.backup_run, *tenant.ids.values()]
    manager = api.member(tenant.world, TenantRole.MANAGER)
    return await manager.ask(query, {"tenant": tenant.ids["Tenant"], "ids": ids})


async def test_our_data_contains_nothing_of_theirs(
    api: RunningApi, ours: Furnished, theirs: Furnished, their_marks: set[str]
) -> None:
    seen = await everything_of(api, ours, given(ours))
    assert traces(seen.content, their_marks) == set()
    covered = {*coordinates(seen.data)}
    roots = {"Query.viewer", "Query.tenant", "Query.node", "Query.nodes", "Query.failureReasons"}
    assert below("Query") - covered == roots
    assert len(covered) > 150
    # The same search finds their marks in their response.
    names = given(theirs) | {"scopeKey": theirs.names[0]}
    theirs_seen = await everything_of(api, theirs, names)
    assert theirs_seen.data
    assert all(name in theirs_seen.content.decode() for name in theirs.names)
    assert {theirs.world.slug, theirs.world.tenant_id.hex} <= traces(
        theirs_seen.content, their_marks
    )


async def test_everything_of_theirs_is_marked(theirs: Furnished) -> None:
    for table, owner_column in TENANT_COLUMNS.items():
        for column in table.columns:
            if f"{table.name}.{column.name}" in WORDS or str(column.type) not in ("TEXT", "JSONB"):
                continue
            plain = await theirs.world.rows(
                f"SELECT {column.name} FROM {table.fullname} WHERE {owner_column.name} = :tenant_id"
                f" AND {column.name}::text NOT LIKE :marked AND {column.name}::text !~ :other",
                marked=f"%{theirs.world.slug}%",
                other=r"^(\[\]|[0-9a-f-]{36})$",
            )
            assert plain == [], f"{table.name}.{column.name} has no mark"


async def test_there_is_a_value_of_theirs_for_every_id_and_cursor(theirs: Furnished) -> None:
    with_id, with_cursor = set(), set()
    for type_ in BUILT.type_map.values():
        if isinstance(type_, GraphQLObjectType):
            for name, field in type_.fields.items():
                if name == "id":
                    with_id.add(type_.name)
                elif name == "actorId":
                    with_id.add("Initiator")
                of_edge = type_.name.endswith("Edge")
                if get_named_type(field.type).name.endswith("Connection") or (
                    name == "cursor" and not of_edge
                ):
                    with_cursor.add(f"{type_.name}.{name}")
    assert with_id == {*theirs.ids}
    assert with_cursor == {*CURSORS}
    assert {*CURSORS.values()} == {*theirs.cursors}


def test_every_argument_is_tested() -> None:
    kinds = Counter(argument.kind for argument in ARGUMENTS)
    print(f"{dict(kinds)} arguments and {len(below('Query'))} fields are walked")  # noqa: T201
    assert kinds["id"] >= 16
    assert kinds["cursor"] >= 13
    assert kinds["text"] >= 7


def is_end_of(message: Any, run_id: str) -> bool:
    """Return whether the message reports the end of a failed run."""
    text = json.dumps(message)
    return run_id in text and '"FAILED"' in text


async def test_our_stream_continues_without_their_data(
    api: RunningApi, ours: Furnished, theirs: Furnished, their_marks: set[str]
) -> None:
    manager = api.member(ours.world, TenantRole.MANAGER)
    client_of_theirs = api.member(theirs.world, TenantRole.MANAGER)
    async with AsyncExitStack() as stack:
        streams = []
        for name, cursor in (("operationRuns", "feed"), ("notifications", "notifications")):
            argument = next(a for a in WATCHED if str(a) == f"Subscription.{name}(after)")
            selection = everything(
                get_named_type(argument.field.type).name, given(ours), frozenset({"Tenant"})
            )
            variables = argument.variables(ours, ours.cursors[cursor])
            streams.append(
                await stack.enter_async_context(
                    manager.subscribe(WEBSOCKET, argument.asking(selection), variables)
                )
            )
        await sync(theirs.world, client_of_theirs, theirs.names[0])
        mine = await sync(ours.world, manager, "last")
        for stream in streams:
            seen = await stream.until(lambda value: is_end_of(value, mine))
            assert traces(json.dumps(seen).encode(), their_marks) == set()
