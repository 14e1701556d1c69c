"""A router composes the API with other subgraphs, and reads objects by their keys."""

import json
import re
from typing import Any
from uuid import uuid4

import pytest
from graphql import ObjectTypeDefinitionNode, parse, print_ast

from domain.documents.models import TrustedDocument
from domain.documents.service import register
from domain.tenancy.roles import TenantRole
from gql.federation import subgraph_sdl
from gql.ids import GlobalId
from gql.schema import schema
from opsrun.postgres.engines import Login
from tests.client import Answer, Client
from tests.gql.api import RunningApi
from tests.gql.furnished import Furnished
from tests.gql.test_queries import node_types
from tests.gql.trail import Trail
from tests.world import World

SDL = "query __ApolloGetServiceDefinition__ { _service { sdl } }"
# As a router writes it.
ENTITIES = """query Runs__opsrun__1($representations: [_Any!]!) {
  _entities(representations: $representations) {
    __typename
    ... on OperationRun { id statusBucket tenant { slug } }
    ... on Node { id }
  }
}"""
NODES = """query ($ids: [ID!]!) { nodes(ids: $ids) {
  __typename ... on OperationRun { id statusBucket tenant { slug } } ... on Node { id } } }"""


def reference(id_: str, **more: Any) -> dict[str, Any]:
    """Return the representation of an object."""
    return {"__typename": GlobalId.decode(id_).type_name, "id": id_, **more}


def manager(api: RunningApi, tenant: Furnished) -> Client:
    """Return the member who created all objects and has the notifications."""
    return api.member(tenant.world, TenantRole.MANAGER)


async def entities(client: Client, *representations: Any) -> list[Any]:
    """Return the entities; none may have an error."""
    seen: list[Any] = (await client.data(ENTITIES, representations=representations))["_entities"]
    return seen


async def refusals(client: Client, *representations: Any) -> dict[int, str]:
    """Return the errors' codes by the positions of the representations, which are null."""
    body = (await client.ask(ENTITIES, {"representations": representations})).body
    codes = {error["path"][1]: error["extensions"]["code"] for error in body["errors"]}
    seen = body["data"]["_entities"]
    assert len(seen) == len(representations)
    assert all(seen[index] is None for index in codes)
    return codes


# The schema


async def test_only_a_subgraph_has_the_routers_fields(api: RunningApi, world: World) -> None:
    client = api.member(world)
    for query in (SDL, "{ _entities(representations: []) { __typename } }"):
        assert (await client.ask(query)).code == "BAD_USER_INPUT"
    assert not re.search("_entities|_service|_Any|_Entity|_Service", schema.as_str())


async def test_the_router_reads_the_sdl_without_introspection(
    subgraph: RunningApi, world: World
) -> None:
    client = subgraph.member(world, TenantRole.READONLY)
    assert (await client.ask("{ __schema { __typename } }")).code == "BAD_USER_INPUT"
    assert (await client.data(SDL))["_service"]["sdl"] == subgraph_sdl(schema)
    for query in (SDL, ENTITIES):
        assert (await subgraph.client(None).ask(query)).code == "UNAUTHENTICATED"


def test_the_sdl_is_the_schema_with_keys_and_a_shared_page_info() -> None:
    sdl = subgraph_sdl(schema)
    marks = {
        node.name.value: [print_ast(directive) for directive in node.directives or ()]
        for node in parse(sdl).definitions
        if isinstance(node, ObjectTypeDefinitionNode) and node.directives
    }
    keys = {name: ['@key(fields: "id")'] for name in node_types()}
    assert marks == keys | {"PageInfo": ["@shareable"]}
    link, _, rest = sdl.partition("\n\n")
    assert "specs.apollo.dev/federation/v2." in link
    used = {*re.findall(r"^type [^{]*(@\w+)", rest, re.M)}
    assert {*re.findall(r'"(@\w+)"', link)} == used
    unmarked = re.sub(r' @(key\(fields: "id"\)|shareable)', "", rest)
    assert parse(unmarked, no_location=True) == parse(schema.as_str(), no_location=True)


# Entities


@pytest.mark.parametrize("type_name", node_types())
async def test_every_node_is_an_entity(
    subgraph: RunningApi, ours: Furnished, type_name: str
) -> None:
    id_ = ours.ids[type_name]
    (seen,) = await entities(manager(subgraph, ours), reference(id_))
    assert (seen["__typename"], seen["id"]) == (type_name, id_)


async def test_entities_are_what_nodes_answers_each_time(
    subgraph: RunningApi, ours: Furnished
) -> None:
    client, tenant_id = manager(subgraph, ours), ours.world.tenant_id
    ids = [
        *(ours.drift_run, ours.ids["Policy"], ours.broken_run, ours.ids["Tenant"]),
        *(
            GlobalId(name, tenant_id, uuid4().hex).encode()
            for name in ("OperationRun", "BackupSet")
        ),
        *(GlobalId("Policy", tenant_id, "servers/unknown").encode(), ours.drift_run),
        *(ours.ids["Notification"], ours.backup_run, ours.ids["BackupSet"]),
    ]
    expected = (await client.data(NODES, ids=ids))["nodes"]
    assert expected.count(None) == 3
    for _ in range(3):  # the second time, the operation is compiled
        seen = await entities(client, *(reference(id_, cost=7) for id_ in ids))
        assert seen == expected


async def test_another_members_notification_is_null(subgraph: RunningApi, ours: Furnished) -> None:
    client = subgraph.member(ours.world, TenantRole.OWNER)
    assert await entities(client, reference(ours.ids["Notification"])) == [None]


async def test_every_role_may_read(subgraph: RunningApi, ours: Furnished) -> None:
    for role in TenantRole:
        (seen,) = await entities(subgraph.member(ours.world, role), reference(ours.drift_run))
        assert seen["tenant"] == {"slug": ours.world.slug}


async def test_wrong_representations_are_null_with_an_error_and_fail_no_other(
    subgraph: RunningApi, ours: Furnished
) -> None:
    run, tenant_id = ours.drift_run, ours.world.tenant_id
    wrong: list[Any] = [{}, [], "OperationRun", 7, {"id": run}, {"__typename": "OperationRun"}]
    wrong += [
        {"__typename": None, "id": run},
        {"__typename": ["OperationRun"], "id": run},
        {"__typename": "OperationRun", "id": 7},
        {"__typename": "OperationRun", "id": None},
        {"__typename": "OperationRun", "id": {"id": run}},
        {"__typename": "OperationRun", "id": "garbage"},
        {"__typename": "OperationRun", "id": ours.ids["Policy"]},
        {"__typename": "Nonsense", "id": run},
        {"__typename": "Node", "id": run},
        {"__typename": "Initiator", "id": ours.ids["Initiator"]},
        {"__typename": "x" * 10_000, "id": run},
        reference(GlobalId("OperationRun", tenant_id, "not-a-uuid").encode()),
        reference(GlobalId("Policy", tenant_id, "no scope").encode()),
    ]
    mixed = [each for one in wrong for each in (one, reference(run))]
    answer = await manager(subgraph, ours).ask(ENTITIES, {"representations": mixed})
    seen = answer.body["data"]["_entities"]
    assert [each and each["id"] for each in seen] == [None, run] * len(wrong)
    errors = {error["path"][1]: error for error in answer.body["errors"]}
    assert [*errors] == [*range(0, len(mixed), 2)]
    assert {error["extensions"]["code"] for error in errors.values()} == {"BAD_USER_INPUT"}
    assert max(len(error["message"]) for error in errors.values()) < 500
    assert answer.status == 200


async def test_representations_may_be_written_in_the_document(
    subgraph: RunningApi, ours: Furnished
) -> None:
    query = """query ($id: ID!) { _entities(representations: [
      {__typename: "OperationRun", id: $id}, {__typename: OperationRun, id: $id}
      {__typename: "OperationRun", id: 7.5}]) { ... on OperationRun { id } } }"""
    body = (await manager(subgraph, ours).ask(query, {"id": ours.drift_run})).body
    assert body["data"]["_entities"][0] == {"id": ours.drift_run}
    assert body["data"]["_entities"][2] is None
    assert {error["extensions"]["code"] for error in body["errors"]} == {"BAD_USER_INPUT"}


@pytest.mark.parametrize("value", [None, [None], 7, "x", {}, [[]]])
async def test_no_list_of_representations_is_refused_or_answered(
    subgraph: RunningApi, world: World, value: Any
) -> None:
    answer = await subgraph.member(world).ask(ENTITIES, {"representations": value})
    assert {error["extensions"]["code"] for error in answer.body["errors"]} == {"BAD_USER_INPUT"}


# Isolation


async def test_their_objects_are_refused_in_the_same_way_whether_they_exist_or_not(
    subgraph: RunningApi, ours: Furnished, theirs: Furnished
) -> None:
    client, there = manager(subgraph, ours), theirs.world.tenant_id
    foreign = [reference(theirs.ids[name]) for name in node_types()]
    foreign += [reference(GlobalId(name, there, uuid4().hex).encode()) for name in node_types()]
    foreign += [reference(GlobalId("Tenant", uuid4()).encode())]
    mine = reference(ours.drift_run)
    codes = await refusals(client, mine, *foreign, mine)
    assert codes == dict.fromkeys(range(1, len(foreign) + 1), "FORBIDDEN")
    answers = {await alone(client, each) for each in foreign}
    assert len(answers) == 1, "an answer tells what exists"


async def alone(client: Client, representation: Any) -> Answer:
    return await client.ask(ENTITIES, {"representations": [representation]})


async def test_no_row_is_read_of_another_tenant(
    subgraph: RunningApi, ours: Furnished, theirs: Furnished
) -> None:
    client = manager(subgraph, ours)
    await refusals(client, reference(theirs.drift_run))
    with subgraph.statements() as statements:
        await refusals(client, reference(theirs.drift_run))
    assert not any("operation_run" in statement for statement in statements)


async def test_a_refusal_is_audited(
    subgraph: RunningApi, ours: Furnished, theirs: Furnished, trail: Trail
) -> None:
    await refusals(manager(subgraph, ours), *[reference(theirs.drift_run)] * 3)
    [record] = trail.fields
    assert record["event"] == "access.refused"
    assert record["tenant_id"] == str(theirs.world.tenant_id)
    assert record["actor_id"] == str(ours.world.members[TenantRole.MANAGER].id)


# Cost


async def test_entities_cost_what_nodes_cost(subgraph: RunningApi, ours: Furnished) -> None:
    client = manager(subgraph, ours)
    for count in (0, 1, 3, 100):
        ids = [ours.drift_run] * count
        nodes = await client.ask(NODES, {"ids": ids})
        seen = await client.ask(ENTITIES, {"representations": [*map(reference, ids)]})
        assert seen.body["extensions"] == nodes.body["extensions"]
        assert len(seen.data["_entities"]) == count


async def test_at_most_a_hundred_entities_are_read_at_once(
    subgraph: RunningApi, ours: Furnished
) -> None:
    many = [reference(ours.drift_run)] * 101
    answer = await manager(subgraph, ours).ask(ENTITIES, {"representations": many})
    assert (answer.status, answer.code) == (400, "LIMIT_EXCEEDED")


async def test_a_list_of_entities_takes_as_many_statements_as_nodes(
    subgraph: RunningApi, ours: Furnished
) -> None:
    client, counts = manager(subgraph, ours), []
    runs = [ours.drift_run, ours.broken_run, ours.backup_run]
    for ids in (runs[:1], runs, [*runs, *runs, *runs]):
        with subgraph.statements() as by_id:
            await client.data(NODES, ids=ids)
        with subgraph.statements() as by_key:
            await entities(client, *map(reference, ids))
        assert by_key == by_id
        counts.append(len(by_key))
    assert len(set(counts)) == 1


async def test_an_operation_is_measured_like_any_other(
    subgraph: RunningApi, ours: Furnished
) -> None:
    def count() -> float:
        labels = {"operation": "Runs__opsrun__1", "type": "query", "outcome": "ok"}
        return subgraph.registry.get_sample_value("opsrun_operation_seconds_count", labels) or 0

    before = count()
    await entities(manager(subgraph, ours), reference(ours.drift_run))
    assert count() == before + 1


# Callers


async def test_registered_documents_of_clients_run_beside_those_of_the_router(
    subgraph: RunningApi, world: World
) -> None:
    text = f"query Own {{ viewer {{ a{uuid4().hex}: name }} }}"
    document = TrustedDocument("Own", text)
    await register(world.resources[Login.MAINTENANCE].transactions, [document])
    client = subgraph.member(world)
    extensions = {"persistedQuery": {"version": 1, "sha256Hash": document.sha256}}
    assert (await client.post(json.dumps({"extensions": extensions}).encode())).data["viewer"]
    assert await entities(client, reference(world.global_id))
