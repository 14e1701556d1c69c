"""A tenant's scopes, and its policies as of the newest whole sync."""

from typing import Any

import pytest

from gql.ids import GlobalId
from tests.acts import write_policy
from tests.client import Client
from tests.gql.api import RunningApi
from tests.gql.furnished import BROKEN_SCOPE, SCOPE, break_scope, sync
from tests.world import World

SCOPES = """query ($tenant: ID!) { tenant(id: $tenant) {
  inventoryScopes { key lastSeenAt lastSnapshotRunId } } }"""
POLICIES = """query ($tenant: ID!, $scope: String!, $first: Int, $after: String) {
  tenant(id: $tenant) { policies(scopeKey: $scope, first: $first, after: $after) {
    nodes { id scopeKey policyId name policyType }
    edges { cursor } pageInfo { hasNextPage hasPreviousPage endCursor }
  } }
}"""


@pytest.fixture
def client(api: RunningApi, world: World) -> Client:
    return api.member(world)


async def scopes(client: Client, world: World) -> dict[str, Any]:
    data = await client.data(SCOPES, tenant=world.global_id)
    scopes = data["tenant"]["inventoryScopes"]
    assert [scope["key"] for scope in scopes] == sorted(scope["key"] for scope in scopes)
    return {scope["key"]: scope["lastSnapshotRunId"] for scope in scopes}


async def policies(client: Client, world: World, scope: str = SCOPE, **arguments: Any) -> Any:
    data = await client.data(POLICIES, tenant=world.global_id, scope=scope, **arguments)
    return data["tenant"]["policies"]


async def test_a_scope_refers_to_its_newest_complete_sync(world: World, client: Client) -> None:
    assert await scopes(client, world) == {}
    write_policy(world, SCOPE, "a")
    break_scope(world, broken=1)
    await sync(world, client)
    newest = await sync(world, client)
    await sync(world, client, BROKEN_SCOPE)
    assert await scopes(client, world) == {SCOPE: newest, BROKEN_SCOPE: None}
    (world.exports / SCOPE / "b.json").write_text("{")
    await sync(world, client)
    assert await scopes(client, world) == {SCOPE: newest, BROKEN_SCOPE: None}


async def test_a_scope_says_the_formats_of_its_current_snapshot(
    world: World, client: Client
) -> None:
    async def formats() -> Any:
        query = """query ($tenant: ID!) { tenant(id: $tenant) {
          inventoryScopes { key formats { format policyCount } } } }"""
        data = await client.data(query, tenant=world.global_id)
        return {s["key"]: s["formats"] for s in data["tenant"]["inventoryScopes"]}

    for policy_id in ("a", "b"):
        write_policy(world, SCOPE, policy_id)
    await world.maintenance().find_scopes()
    assert await formats() == {SCOPE: []}
    (world.exports / SCOPE / "c.yaml").write_text(
        "displayName: Password\n'@odata.type': '#microsoft.graph.windows10CompliancePolicy'\n"
    )
    await sync(world, client)
    expected = [
        {"format": "GRAPH_OBJECT", "policyCount": 2},
        {"format": "INTUNE_CD_YAML", "policyCount": 1},
    ]
    assert await formats() == {SCOPE: expected}
    (world.exports / SCOPE / "d.yaml").write_text("{")
    await sync(world, client)
    assert await formats() == {SCOPE: expected}


async def test_scopes_are_known_before_their_first_sync(world: World, client: Client) -> None:
    write_policy(world, SCOPE, "a")
    await world.maintenance().find_scopes()
    assert await scopes(client, world) == {SCOPE: None}


async def test_policies_are_those_of_the_newest_complete_sync(world: World, client: Client) -> None:
    assert (await policies(client, world))["nodes"] == []
    for policy_id in "ba":
        write_policy(world, SCOPE, policy_id)
    await sync(world, client)
    write_policy(world, SCOPE, "c")
    (world.exports / SCOPE / "broken.json").write_text("{")
    await sync(world, client)
    nodes = (await policies(client, world))["nodes"]
    assert nodes == [
        {
            "id": GlobalId("Policy", world.tenant_id, f"{SCOPE}/{policy_id}").encode(),
            "scopeKey": SCOPE,
            "policyId": policy_id,
            "name": f"Policy {policy_id}",
            "policyType": "windows10CompliancePolicy",
        }
        for policy_id in "ab"
    ]


async def test_pages_lose_no_policies_with_the_same_name(world: World, client: Client) -> None:
    for number in range(7):
        write_policy(world, SCOPE, f"p{number}", displayName="The same name")
    await sync(world, client)
    seen: list[str] = []
    cursor = None
    while True:
        page = await policies(client, world, first=3, after=cursor)
        seen += [policy["policyId"] for policy in page["nodes"]]
        assert page["pageInfo"]["hasPreviousPage"] == (cursor is not None)
        cursor = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == [f"p{number}" for number in range(7)]


async def test_one_scopes_cursor_is_bad_input_for_another(world: World, client: Client) -> None:
    for scope in (SCOPE, "laptops"):
        write_policy(world, scope, "a")
        await sync(world, client, scope)
    cursor = (await policies(client, world))["pageInfo"]["endCursor"]
    variables = {"tenant": world.global_id, "scope": "laptops", "after": cursor}
    assert (await client.ask(POLICIES, variables)).code == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    ("arguments", "code"), [({"first": 101}, "LIMIT_EXCEEDED"), ({"first": -1}, "BAD_USER_INPUT")]
)
async def test_a_page_is_bounded(
    world: World, client: Client, arguments: dict[str, Any], code: str
) -> None:
    variables = {"tenant": world.global_id, "scope": SCOPE, **arguments}
    assert (await client.ask(POLICIES, variables)).code == code
