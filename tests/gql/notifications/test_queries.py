"""The notifications of a member about the runs they started (P4)."""

import pytest

from domain.tenancy.roles import TenantRole
from tests.acts import write_policy
from tests.client import Client
from tests.gql.api import PUBLIC_URL, RunningApi
from tests.gql.furnished import BROKEN_SCOPE, SCOPE, break_scope, sync
from tests.gql.notifications.reading import LIST, listed, unread
from tests.gql.runs.watching import claim, live, queue
from tests.world import World


@pytest.fixture
def client(api: RunningApi, world: World) -> Client:
    return api.member(world)


async def test_every_outcome_is_notified_once_newest_first(world: World, client: Client) -> None:
    write_policy(world, SCOPE, "a")
    break_scope(world, broken=1)
    whole = await sync(world, client)
    partial = await sync(world, client, BROKEN_SCOPE)
    failed = await sync(world, client, "nowhere")
    queued = await queue(world)
    nodes = (await listed(client, world))["nodes"]
    assert [(n["outcome"], n["run"]["id"], n["title"]) for n in nodes] == [
        ("QUEUED", queued, "inventory.sync is queued"),
        ("FAILED", failed, "inventory.sync failed"),
        ("QUEUED", failed, "inventory.sync is queued"),
        ("PARTIALLY_SUCCEEDED", partial, "inventory.sync succeeded in part"),
        ("QUEUED", partial, "inventory.sync is queued"),
        ("SUCCEEDED", whole, "inventory.sync succeeded"),
        ("QUEUED", whole, "inventory.sync is queued"),
    ]
    assert {n["run"]["statusBucket"] for n in nodes if n["run"]["id"] == whole} == {"SUCCEEDED"}
    assert nodes[0]["url"] == f"{PUBLIC_URL}/t/{world.slug}/operations/{queued}"
    assert {n["readAt"] for n in nodes} == {None}
    assert await unread(client, world) == 7


async def test_only_the_initiator_is_notified(
    api: RunningApi, world: World, client: Client
) -> None:
    await live(world)
    assert len((await listed(client, world))["nodes"]) == 2
    for role in (TenantRole.OWNER, TenantRole.READONLY):
        other = api.member(world, role)
        assert (await listed(other, world))["nodes"] == []
        assert await unread(other, world) == 0


async def test_notifications_come_in_pages(world: World, client: Client) -> None:
    for _ in range(3):
        await (await claim(world, await queue(world))).finish()
    page = await listed(client, world)
    everything = [node["id"] for node in page["nodes"]]
    assert [edge["cursor"] for edge in page["edges"]] == [n["cursor"] for n in page["nodes"]]
    seen: list[str] = []
    cursor = None
    for size, more in ((1, True), (3, True), (3, False)):
        page = await listed(client, world, first=size, after=cursor)
        assert page["pageInfo"]["hasNextPage"] == more
        assert page["pageInfo"]["hasPreviousPage"] == (cursor is not None)
        cursor = page["pageInfo"]["endCursor"]
        seen += [node["id"] for node in page["nodes"]]
    assert seen == everything
    assert len(set(seen)) == 6


async def test_a_page_takes_the_same_number_of_statements_at_any_size(
    api: RunningApi, world: World, client: Client
) -> None:
    for _ in range(5):
        await live(world)
    costs = set()
    for first in (1, 10):
        with api.statements() as statements:
            assert len((await listed(client, world, first=first))["nodes"]) == first
        costs.add(len(statements))
    assert len(costs) == 1


@pytest.mark.parametrize(("first", "code"), [(101, "LIMIT_EXCEEDED"), (-1, "BAD_USER_INPUT")])
async def test_a_page_is_bounded(world: World, client: Client, first: int, code: str) -> None:
    variables = {"tenant": world.global_id, "first": first}
    assert (await client.ask(LIST, variables)).code == code
