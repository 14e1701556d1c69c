"""Groups, their members, and the state of their last sync, as members of a tenant read them."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from domain.tenancy.roles import TenantRole
from gql.ids import GlobalId
from opsrun.postgres.engines import Login
from opsrun.resources import Resources
from tests.acts import write_policy
from tests.client import Client
from tests.gql.api import RunningApi
from tests.gql.furnished import drift, sync
from tests.groups import store_groups
from tests.world import World

GROUPS = """query ($tenant: ID!, $search: String, $first: Int, $after: String) {
  tenant(id: $tenant) { groups(search: $search, first: $first, after: $after) {
    nodes { id groupId name memberCount lastSyncedAt lastSyncedRunId
      members { nodes { memberId kind } } }
    pageInfo { hasNextPage endCursor }
  } }
}"""
MEMBERS = """query ($id: ID!, $first: Int, $after: String) {
  node(id: $id) { ... on Group { name members(first: $first, after: $after) {
    nodes { memberId kind } pageInfo { hasNextPage endCursor } } } }
}"""
DIRECTORY = """query ($tenant: ID!) { tenant(id: $tenant) {
  groupDirectory { lastSyncedAt lastSyncedRunId groupCount } } }"""
FINDINGS = """query ($tenant: ID!, $run: ID!) { tenant(id: $tenant) {
  driftFindings(runId: $run) { nodes { policyId groups { groupId name } } } } }"""


@pytest.fixture
def client(api: RunningApi, world: World) -> Client:
    return api.member(world, TenantRole.READONLY)


async def groups(client: Client, world: World, **variables: Any) -> Any:
    data = await client.data(GROUPS, tenant=world.global_id, **variables)
    return data["tenant"]["groups"]


def crowd(count: int, kind: str = "USER") -> dict[str, str]:
    return {f"m-{number:03}": kind for number in range(count)}


async def test_groups_are_sorted_by_name_and_show_their_members(
    client: Client, world: World
) -> None:
    members = {"u": "USER", "d": "DEVICE", "s": "SERVICE_PRINCIPAL", "x": "OTHER"}
    await store_groups(world, {"1": ("Zebra", {}), "2": ("Alpha", members)})
    alpha, zebra = (await groups(client, world))["nodes"]
    assert (alpha["name"], alpha["groupId"], alpha["memberCount"]) == ("Alpha", "2", 4)
    assert alpha["id"] == GlobalId("Group", world.tenant_id, "2").encode()
    assert alpha["members"]["nodes"] == [
        {"memberId": key, "kind": members[key]} for key in sorted(members)
    ]
    assert (zebra["name"], zebra["memberCount"], zebra["members"]["nodes"]) == ("Zebra", 0, [])
    assert zebra["lastSyncedRunId"] == alpha["lastSyncedRunId"]


async def test_pages_of_groups_follow_each_other(client: Client, world: World) -> None:
    await store_groups(world, {str(number): (f"G{number % 3}", {}) for number in range(7)})
    seen, after = [], None
    for _ in range(4):
        page = await groups(client, world, first=2, after=after)
        seen += [(node["name"], node["groupId"]) for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
    assert seen == sorted((f"G{number % 3}", str(number)) for number in range(7))
    assert not page["pageInfo"]["hasNextPage"]


@pytest.mark.parametrize(
    ("search", "names"),
    [
        ("pilot", ["Kiosk PILOTS", "Pilots"]),
        ("%", ["100% remote"]),
        ("_", []),
        ("", ["100% remote", "Kiosk PILOTS", "Pilots"]),
        (None, ["100% remote", "Kiosk PILOTS", "Pilots"]),
    ],
)
async def test_a_search_finds_a_part_of_a_name_in_any_case(
    client: Client, world: World, search: str | None, names: list[str]
) -> None:
    stored = ["Pilots", "Kiosk PILOTS", "100% remote"]
    await store_groups(world, {name[:3]: (name, {}) for name in stored})
    seen, after = [], None
    for _ in range(len(names) + 1):
        page = await groups(client, world, search=search, first=1, after=after)
        seen += [node["name"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"] or after
    assert seen == names


async def test_a_cursor_belongs_to_its_search(client: Client, world: World) -> None:
    await store_groups(world, {"1": ("a", {}), "2": ("ab", {})})
    cursor = (await groups(client, world, first=1))["pageInfo"]["endCursor"]
    variables = {"tenant": world.global_id, "search": "b", "after": cursor}
    assert (await client.ask(GROUPS, variables)).code == "BAD_USER_INPUT"


async def test_members_come_in_pages(client: Client, world: World) -> None:
    await store_groups(world, {"1": ("a", crowd(5)), "2": ("b", crowd(3))})
    id_ = GlobalId("Group", world.tenant_id, "1").encode()
    seen, after = [], None
    for _ in range(3):
        data = await client.data(MEMBERS, id=id_, first=2, after=after)
        page = data["node"]["members"]
        seen += [node["memberId"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
    assert seen == [*crowd(5)]
    assert not page["pageInfo"]["hasNextPage"]
    other = GlobalId("Group", world.tenant_id, "2").encode()
    answer = await client.ask(MEMBERS, {"id": other, "after": after})
    assert answer.code == "BAD_USER_INPUT"


async def test_a_page_of_groups_needs_as_many_statements_as_one_group(
    api: RunningApi, client: Client, world: World
) -> None:
    await store_groups(world, {str(number): (f"G{number}", crowd(2)) for number in range(20)})
    counts = []
    for first in (1, 20):
        await groups(client, world, first=first)
        with api.statements() as statements:
            assert len((await groups(client, world, first=first))["nodes"]) == first
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 4


async def test_the_directory_shows_the_last_sync(client: Client, world: World) -> None:
    data = await client.data(DIRECTORY, tenant=world.global_id)
    assert data["tenant"]["groupDirectory"] is None
    await store_groups(world, {"1": ("a", {}), "2": ("b", {})})
    data = await client.data(DIRECTORY, tenant=world.global_id)
    directory = data["tenant"]["groupDirectory"]
    (first, _) = (await groups(client, world))["nodes"]
    assert directory["groupCount"] == 2
    assert directory["lastSyncedRunId"] == first["lastSyncedRunId"]
    assert directory["lastSyncedAt"] >= first["lastSyncedAt"]


class TestDrift:
    async def test_shows_the_names_of_known_groups_in_a_page_with_one_statement(
        self, api: RunningApi, world: World
    ) -> None:
        owner = api.member(world, TenantRole.OWNER)
        known = [str(uuid4()) for _ in range(3)]
        unknown = str(uuid4())
        await store_groups(
            world, {key: (f"Group {number}", {}) for number, key in enumerate(known)}
        )
        scope = "assigned"
        for number, key in enumerate([known[0], known[0], unknown]):
            write_policy(world, scope, f"p{number}", target=key, other="plain")
        await sync(world, owner, scope)
        for number, key in enumerate([known[1].upper(), known[2], unknown[:-1] + "x"]):
            write_policy(world, scope, f"p{number}", target=[{"groupId": key}])
        await sync(world, owner, scope)
        run = await drift(world, owner, scope)
        variables = {"tenant": world.global_id, "run": run}
        await owner.data(FINDINGS, **variables)
        with api.statements() as statements:
            data = await owner.data(FINDINGS, **variables)
        assert [
            (node["policyId"], [group["name"] for group in node["groups"]])
            for node in data["tenant"]["driftFindings"]["nodes"]
        ] == [("p0", ["Group 0", "Group 1"]), ("p1", ["Group 0", "Group 2"]), ("p2", [])]
        assert sum("directory_group" in statement for statement in statements) == 1

    async def test_never_shows_a_group_of_another_tenant(
        self, api: RunningApi, resources: dict[Login, Resources], world: World, tmp_path: Path
    ) -> None:
        key = str(uuid4())
        neighbour = await World.create(resources, tmp_path)
        await store_groups(neighbour, {key: ("Theirs", {})})
        owner = api.member(world, TenantRole.OWNER)
        for target in (key, "nothing"):
            write_policy(world, "assigned", "p", target=target)
            await sync(world, owner, "assigned")
        run = await drift(world, owner, "assigned")
        data = await owner.data(FINDINGS, tenant=world.global_id, run=run)
        assert [node["groups"] for node in data["tenant"]["driftFindings"]["nodes"]] == [[]]
