"""The root fields: the viewer, a tenant, and nodes by id."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from graphql import GraphQLInterfaceType

from domain.tenancy.administration import remove_member, save_member
from domain.tenancy.roles import TenantRole
from gql.ids import GlobalId
from opsrun.auth.tokens import LocalTokens
from opsrun.postgres.engines import Login
from tests.client import EVENTS, Client
from tests.gql.api import RunningApi
from tests.gql.arguments import BUILT
from tests.gql.furnished import Furnished
from tests.gql.runs.watching import queue
from tests.world import LOCAL_KEY, World

VIEWER = "{ viewer { name email memberships { role tenant { id slug viewerRole } } } }"
TENANT = "query ($id: ID!) { tenant(id: $id) { id slug name viewerRole } }"
NODE = "query ($id: ID!) { node(id: $id) { __typename id } }"
NODES = "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }"


def node_types() -> list[str]:
    interface = BUILT.type_map["Node"]
    assert isinstance(interface, GraphQLInterfaceType)
    return sorted(type_.name for type_ in BUILT.get_possible_types(interface))


def manager(api: RunningApi, tenant: Furnished) -> Client:
    """Return the member who created all objects and has the notifications."""
    return api.member(tenant.world, TenantRole.MANAGER)


# The viewer


@pytest.mark.parametrize("role", TenantRole)
async def test_the_viewer_sees_their_memberships(
    api: RunningApi, world: World, role: TenantRole
) -> None:
    data = await api.member(world, role).data(VIEWER)
    assert data["viewer"] == {
        "name": world.members[role].name,
        "email": None,
        "memberships": [
            {
                "role": role.value,
                "tenant": {"id": world.global_id, "slug": world.slug, "viewerRole": role.value},
            }
        ],
    }


async def test_a_viewer_of_two_tenants_sees_and_queries_both(api: RunningApi, world: World) -> None:
    other = await World.create(world.resources, world.exports)
    transactions = world.resources[Login.MAINTENANCE].transactions
    await save_member(
        transactions, other.slug, world.members[TenantRole.OPERATOR], TenantRole.READONLY
    )
    here, there = await queue(world), await queue(other)
    query = """{ viewer { memberships { role tenant { slug operationRuns { nodes {
      id tenant { slug } failureCount events { nodes { version } } } } } } } }"""
    data = await api.member(world).data(query)
    seen = {
        membership["tenant"]["slug"]: (membership["role"], membership["tenant"]["operationRuns"])
        for membership in data["viewer"]["memberships"]
    }
    assert seen == {
        tenant.slug: (
            role,
            {
                "nodes": [
                    {
                        "id": run,
                        "tenant": {"slug": tenant.slug},
                        "failureCount": 0,
                        "events": {"nodes": [{"version": 1}]},
                    }
                ]
            },
        )
        for tenant, run, role in ((world, here, "OPERATOR"), (other, there, "READONLY"))
    }


async def test_a_user_without_a_role_is_still_a_viewer(api: RunningApi, world: World) -> None:
    transactions = world.resources[Login.MAINTENANCE].transactions
    await remove_member(transactions, world.slug, world.members[TenantRole.OPERATOR])
    client = api.member(world)
    assert (await client.data(VIEWER))["viewer"]["memberships"] == []
    refused = await client.ask(TENANT, {"id": world.global_id})
    assert (refused.status, refused.code) == (403, "FORBIDDEN")


def strangers(world: World) -> list[str | None]:
    subject = world.members[TenantRole.OPERATOR].subject
    hour = timedelta(hours=1)
    return [
        None,
        "garbage",
        LocalTokens(LOCAL_KEY).mint("unknown", name="x", lifetime=hour),
        LocalTokens(LOCAL_KEY).mint(subject, name="x", lifetime=-hour),
        LocalTokens("x" * 40).mint(subject, name="x", lifetime=hour),
    ]


async def test_a_bad_token_is_refused(api: RunningApi, world: World) -> None:
    for token in strangers(world):
        for accept in ("application/graphql-response+json", "application/json", EVENTS):
            answer = await api.client(token).ask(VIEWER, accept=accept)
            assert (answer.status, answer.code) == (401, "UNAUTHENTICATED")
            assert "data" not in answer.body


# A tenant


async def test_a_tenant_shows_the_members_view(api: RunningApi, world: World) -> None:
    data = await api.member(world, TenantRole.OWNER).data(TENANT, id=world.global_id)
    assert data["tenant"] == {
        "id": world.global_id,
        "slug": world.slug,
        "name": f"Tenant {world.slug}",
        "viewerRole": "OWNER",
    }


@pytest.mark.parametrize("type_name", ["Policy", "OperationRun", "Nonsense"])
async def test_only_the_id_of_a_tenant_names_a_tenant(
    api: RunningApi, world: World, type_name: str
) -> None:
    id_ = GlobalId(type_name, world.tenant_id, "x").encode()
    answer = await api.member(world).ask(TENANT, {"id": id_})
    assert answer.code == "BAD_USER_INPUT"
    assert f"not of a {type_name}" in answer.body["errors"][0]["message"]


# Nodes


@pytest.mark.parametrize("type_name", node_types())
async def test_every_node_is_returned_by_its_id(
    api: RunningApi, ours: Furnished, type_name: str
) -> None:
    id_ = ours.ids[type_name]
    data = await manager(api, ours).data(NODE, id=id_)
    assert data["node"] == {"__typename": type_name, "id": id_}
    data = await manager(api, ours).data(NODES, ids=[id_])
    assert data["nodes"] == [{"__typename": type_name, "id": id_}]


async def test_every_id_in_a_response_leads_to_its_node(api: RunningApi, ours: Furnished) -> None:
    query = """query ($tenant: ID!, $drift: ID!) { tenant(id: $tenant) {
      id operationRuns { nodes { id tenant { id } related { ... on BackupSet { id }
        ... on DriftReport { baselineRunId currentRunId findings { nodes { id } } } } } }
      inventoryScopes { lastSnapshotRunId } policies(scopeKey: "servers") { nodes { id } }
      driftFindings(runId: $drift) { nodes { id } } backupSets { nodes { id } }
      groups { nodes { id } }
      notifications { nodes { id run { id } } } } }"""
    client = manager(api, ours)
    data = await client.data(query, tenant=ours.ids["Tenant"], drift=ours.drift_run)
    ids = sorted(set(ids_in(data)))
    assert {GlobalId.decode(id_).type_name for id_ in ids} == set(node_types())
    nodes = (await client.data(NODES, ids=ids))["nodes"]
    assert [node["id"] for node in nodes] == ids


def ids_in(value: Any) -> list[str]:
    if isinstance(value, list):
        return [id_ for member in value for id_ in ids_in(member)]
    if isinstance(value, dict):
        own = [v for k, v in value.items() if (k == "id" or k.endswith("RunId")) and v]
        return own + [id_ for member in value.values() for id_ in ids_in(member)]
    return []


@pytest.mark.parametrize("type_name", [*node_types(), "Nonsense", "Initiator"])
async def test_an_unknown_id_of_the_users_tenant_is_null(
    api: RunningApi, ours: Furnished, type_name: str
) -> None:
    if type_name == "Tenant":
        return  # an unknown tenant is treated as another user's: see test_isolation
    key = "servers/unknown" if type_name == "Policy" else uuid4().hex
    id_ = GlobalId(type_name, ours.world.tenant_id, key).encode()
    assert await manager(api, ours).data(NODE, id=id_) == {"node": None}


async def test_a_policy_that_the_current_snapshot_lacks_is_null(
    api: RunningApi, ours: Furnished
) -> None:
    tenant_id = ours.world.tenant_id
    removed, partial, there = (
        GlobalId("Policy", tenant_id, key).encode()
        for key in ("servers/c", "broken/good", "servers/d")
    )
    data = await manager(api, ours).data(NODES, ids=[removed, partial, there])
    assert data["nodes"] == [None, None, {"__typename": "Policy", "id": there}]


async def test_another_members_notification_is_null(api: RunningApi, ours: Furnished) -> None:
    client = api.member(ours.world, TenantRole.OWNER)
    assert await client.data(NODE, id=ours.ids["Notification"]) == {"node": None}


async def test_nodes_come_in_the_order_of_their_ids(api: RunningApi, ours: Furnished) -> None:
    unknown = GlobalId("OperationRun", ours.world.tenant_id, uuid4().hex).encode()
    runs = [ours.drift_run, ours.broken_run, ours.backup_run]
    ids = [runs[2], unknown, ours.ids["Tenant"], runs[0], runs[2], ours.ids["Policy"], runs[1]]
    nodes = (await manager(api, ours).data(NODES, ids=ids))["nodes"]
    assert [node and node["id"] for node in nodes] == [
        None if id_ == unknown else id_ for id_ in ids
    ]


async def test_a_hundred_nodes_may_be_read_at_once(api: RunningApi, ours: Furnished) -> None:
    client = manager(api, ours)
    assert (await client.data(NODES, ids=[]))["nodes"] == []
    assert len((await client.data(NODES, ids=[ours.drift_run] * 100))["nodes"]) == 100
    assert (await client.ask(NODES, {"ids": [ours.drift_run] * 101})).code == "LIMIT_EXCEEDED"


async def test_nodes_of_one_type_take_the_same_number_of_statements_at_any_size(
    api: RunningApi, ours: Furnished
) -> None:
    client, costs = manager(api, ours), set()
    runs = [ours.drift_run, ours.broken_run, ours.backup_run]
    for ids in (runs[:1], runs):
        with api.statements() as statements:
            await client.data(NODES, ids=ids)
        costs.add(len(statements))
    assert len(costs) == 1
