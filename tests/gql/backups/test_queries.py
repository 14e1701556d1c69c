"""Backup sets and their copies are listed."""

from typing import Any

import pytest

from domain.tenancy.roles import TenantRole
from gql.ids import GlobalId
from tests.acts import write_policy
from tests.client import Client
from tests.gql.api import RunningApi
from tests.gql.furnished import SCOPE, add_policies, backup_set, policy_ids, sync
from tests.world import World

SETS = """query ($tenant: ID!, $first: Int, $after: String, $copies: Int, $from: String) {
  tenant(id: $tenant) { backupSets(first: $first, after: $after) {
    nodes {
      id name policyCount createdBy
      policies(first: $copies, after: $from) {
        nodes { scopeKey policyId name policyType addedAt }
        pageInfo { hasNextPage hasPreviousPage endCursor }
      }
    }
    pageInfo { hasNextPage hasPreviousPage endCursor }
  } }
}"""


@pytest.fixture
def client(api: RunningApi, world: World) -> Client:
    return api.member(world, TenantRole.MANAGER)


async def sets(client: Client, world: World, **arguments: Any) -> Any:
    data = await client.data(SETS, tenant=world.global_id, **arguments)
    return data["tenant"]["backupSets"]


async def filled(client: Client, world: World, *names: str) -> list[str]:
    """Create sets that hold the same five policies."""
    for policy_id in "abcde":
        write_policy(world, SCOPE, policy_id)
    await sync(world, client)
    policies = list((await policy_ids(world, client)).values())
    made = [await backup_set(world, client, name) for name in names]
    for set_id in made:
        await add_policies(world, client, set_id, policies)
    return made


@pytest.mark.parametrize("equal", [True, False])
async def test_sets_come_newest_first_in_pages(world: World, client: Client, equal: bool) -> None:
    names = [f"Set {number}" for number in range(5)]
    for name in names:
        await backup_set(world, client, name)
    if equal:
        await world.write(
            "UPDATE opsrun.backup_set SET created_at = '2026-01-01' WHERE tenant_id = :tenant_id"
        )
    everything = [node["name"] for node in (await sets(client, world))["nodes"]]
    assert (set(everything) == set(names)) if equal else (everything == names[::-1])
    seen: list[str] = []
    cursor = None
    for more in (True, True, False):
        page = await sets(client, world, first=2, after=cursor)
        assert page["pageInfo"]["hasNextPage"] == more
        assert page["pageInfo"]["hasPreviousPage"] == (cursor is not None)
        cursor = page["pageInfo"]["endCursor"]
        seen += [node["name"] for node in page["nodes"]]
    assert seen == everything


async def test_each_set_shows_its_copies_by_name(world: World, client: Client) -> None:
    await filled(client, world, "One", "Two")
    await backup_set(world, client, "Empty")
    empty, two, one = (await sets(client, world, copies=3))["nodes"]
    assert (empty["policyCount"], empty["policies"]["nodes"]) == (0, [])
    for set_ in (one, two):
        assert set_["policyCount"] == 5
        assert [copy["policyId"] for copy in set_["policies"]["nodes"]] == ["a", "b", "c"]
        assert set_["policies"]["pageInfo"]["hasNextPage"]
    copy = one["policies"]["nodes"][0]
    assert (copy["scopeKey"], copy["name"]) == (SCOPE, "Policy a")
    assert copy["policyType"] == "windows10CompliancePolicy"


async def test_copies_come_in_pages(world: World, client: Client) -> None:
    await filled(client, world, "One")
    seen: list[str] = []
    cursor = None
    for more in (True, True, False):
        (set_,) = (await sets(client, world, copies=2, **{"from": cursor}))["nodes"]
        page = set_["policies"]
        assert page["pageInfo"]["hasNextPage"] == more
        cursor = page["pageInfo"]["endCursor"]
        seen += [copy["policyId"] for copy in page["nodes"]]
    assert "".join(seen) == "abcde"


async def test_a_page_of_sets_takes_the_same_number_of_statements_at_any_size(
    api: RunningApi, world: World, client: Client
) -> None:
    await filled(client, world, "One", "Two", "Three")
    costs = set()
    for first in (1, 3):
        with api.statements() as statements:
            assert len((await sets(client, world, first=first, copies=2))["nodes"]) == first
        costs.add(len(statements))
    assert len(costs) == 1


@pytest.mark.parametrize("argument", ["first", "copies"])
@pytest.mark.parametrize(("size", "code"), [(101, "LIMIT_EXCEEDED"), (-1, "BAD_USER_INPUT")])
async def test_a_page_is_bounded(
    world: World, client: Client, argument: str, size: int, code: str
) -> None:
    await backup_set(world, client, "One")
    variables = {"tenant": world.global_id, argument: size}
    assert (await client.ask(SETS, variables)).code == code


async def test_a_cursor_of_another_set_is_bad_input(world: World, client: Client) -> None:
    one, two = await filled(client, world, "One", "Two")
    query = """query ($id: ID!, $after: String) { node(id: $id) { ... on BackupSet {
      policies(first: 1, after: $after) { pageInfo { endCursor } } } } }"""
    page = (await client.data(query, id=one))["node"]["policies"]
    variables = {"id": two, "after": page["pageInfo"]["endCursor"]}
    assert (await client.ask(query, variables)).code == "BAD_USER_INPUT"


async def test_sets_of_another_tenant_are_not_listed(world: World, client: Client) -> None:
    other = await World.create(world.resources, world.exports)
    await other.write(
        "INSERT INTO opsrun.backup_set (tenant_id, id, name, created_by_id, created_by_name)"
        " VALUES (:tenant_id, gen_random_uuid(), 'Theirs', gen_random_uuid(), 'x')"
    )
    mine = await backup_set(world, client, "Ours")
    assert [node["id"] for node in (await sets(client, world))["nodes"]] == [mine]
    assert GlobalId.decode(mine).tenant_id == world.tenant_id
