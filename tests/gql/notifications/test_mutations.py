"""Marking notifications as read."""

from typing import Any
from uuid import uuid4

import pytest

from domain.tenancy.administration import save_member
from domain.tenancy.roles import TenantRole
from gql.ids import GlobalId
from opsrun.postgres.engines import Login
from tests.acts import save_scopes
from tests.client import Client
from tests.gql.api import RunningApi
from tests.gql.furnished import START
from tests.gql.notifications.reading import listed, unread
from tests.gql.runs.watching import live, queue
from tests.world import World

MARK = """mutation ($input: MarkNotificationsReadInput!) {
  markNotificationsRead(input: $input) { notifications { id readAt } unreadCount }
}"""


@pytest.fixture
def client(api: RunningApi, world: World) -> Client:
    return api.member(world)


async def mark(client: Client, world: World, *ids: str) -> Any:
    input_ = {"tenantId": world.global_id, "notificationIds": ids}
    return (await client.data(MARK, input=input_))["markNotificationsRead"]


async def ids(client: Client, world: World) -> list[str]:
    return [node["id"] for node in (await listed(client, world))["nodes"]]


async def test_a_read_notification_is_not_unread(world: World, client: Client) -> None:
    await live(world)
    await queue(world)
    newest, second, oldest = await ids(client, world)
    answer = await mark(client, world, second, newest)
    assert {n["id"] for n in answer["notifications"]} == {second, newest}
    assert all(n["readAt"] for n in answer["notifications"])
    assert answer["unreadCount"] == 1 == await unread(client, world)
    left = (await listed(client, world, unread=True))["nodes"]
    assert [node["id"] for node in left] == [oldest]
    assert len(await ids(client, world)) == 3


async def test_the_first_time_of_reading_stays(world: World, client: Client) -> None:
    await queue(world)
    (only,) = await ids(client, world)
    first = await mark(client, world, only)
    assert await mark(client, world, only, only) == first


async def test_unknown_notifications_and_those_of_others_do_not_change(
    api: RunningApi, world: World, client: Client
) -> None:
    await queue(world)
    (theirs,) = await ids(client, world)
    owner = api.member(world, TenantRole.OWNER)
    unknown = GlobalId("Notification", world.tenant_id, uuid4().hex).encode()
    assert await mark(owner, world, theirs, unknown) == {"notifications": [], "unreadCount": 0}
    assert await unread(client, world) == 1


async def test_marking_nothing_changes_nothing(world: World, client: Client) -> None:
    await queue(world)
    assert await mark(client, world) == {"notifications": [], "unreadCount": 1}


async def test_a_hundred_may_be_marked_at_once(world: World, client: Client) -> None:
    some = [GlobalId("Notification", world.tenant_id, uuid4().hex).encode() for _ in range(101)]
    assert (await mark(client, world, *some[:100]))["notifications"] == []
    input_ = {"tenantId": world.global_id, "notificationIds": some}
    assert (await client.ask(MARK, {"input": input_})).code == "LIMIT_EXCEEDED"


async def test_only_ids_of_notifications_of_this_tenant_are_accepted(
    world: World, client: Client
) -> None:
    other = await World.create(world.resources, world.exports)
    transactions = world.resources[Login.MAINTENANCE].transactions
    await save_member(
        transactions, other.slug, world.members[TenantRole.OPERATOR], TenantRole.OPERATOR
    )
    await save_scopes(other, "servers")
    await client.data(START, input={"tenantId": other.global_id, "scopeKey": "servers"})
    (elsewhere,) = await ids(client, other)
    for id_ in (world.global_id, elsewhere, "garbage"):
        input_ = {"tenantId": world.global_id, "notificationIds": [id_]}
        assert (await client.ask(MARK, {"input": input_})).code == "BAD_USER_INPUT"
    assert await unread(client, other) == 1
