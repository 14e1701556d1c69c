"""A member receives each notification once, from the cursor where they left."""

import asyncio
from typing import Any

import pytest

from domain.tenancy.administration import remove_member
from domain.tenancy.roles import TenantRole
from gql.ids import GlobalId
from gql.notifications import subscriptions as notifications_module
from gql.pages import Cursor
from opsrun.postgres.engines import Login
from tests.client import WEBSOCKET, Client, Stream
from tests.gql.api import RunningApi, eventually
from tests.gql.notifications.reading import listed
from tests.gql.runs.watching import claim, live, lose_the_database_once, queue, slow_reader
from tests.world import World

WATCH = """subscription ($tenant: ID!, $after: String) {
  notifications(tenantId: $tenant, after: $after) {
    id outcome title cursor run { id statusBucket }
  }
}"""


@pytest.fixture
def client(api: RunningApi, world: World) -> Client:
    return api.member(world)


def of(world: World, **variables: Any) -> dict[str, Any]:
    return {"tenant": world.global_id, **variables}


async def received(stream: Stream, count: int) -> list[tuple[str, str]]:
    notifications = [await stream.next() for _ in range(count)]
    return [(each["run"]["id"], each["outcome"]) for each in notifications]


async def oldest_first(client: Client, world: World) -> list[Any]:
    return list(reversed((await listed(client, world))["nodes"]))


async def test_new_notifications_are_sent_as_they_come(
    world: World, client: Client, transport: str
) -> None:
    await queue(world)
    (start,) = await oldest_first(client, world)
    async with client.subscribe(transport, WATCH, of(world, after=start["cursor"])) as stream:
        run = await queue(world)
        assert await received(stream, 1) == [(run, "QUEUED")]
        await (await claim(world, run)).finish()
        (ended,) = [await stream.next()]
        assert (ended["outcome"], ended["title"]) == ("SUCCEEDED", "inventory.sync succeeded")
        assert ended["run"] == {"id": run, "statusBucket": "SUCCEEDED"}


async def test_without_a_cursor_only_new_notifications_are_sent(
    world: World, client: Client
) -> None:
    await live(world)
    async with client.subscribe(WEBSOCKET, WATCH, of(world)) as stream:
        # The stream does not report when it is ready, so send until one arrives.
        first = asyncio.create_task(stream.next())
        runs: list[str] = []
        while not first.done():
            runs.append(await queue(world))
            await asyncio.wait([first], timeout=0.1)
        assert first.result()["run"]["id"] in runs


async def test_a_client_that_reconnects_receives_exactly_what_it_missed(
    world: World, client: Client, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications_module, "_BATCH", 3)
    for _ in range(4):
        await live(world)
    everything = await oldest_first(client, world)
    assert len(everything) == 8
    for place in (0, 3, 7):
        variables = of(world, after=everything[place]["cursor"])
        async with client.subscribe(transport, WATCH, variables) as stream:
            missed = everything[place + 1 :]
            assert [(await stream.next())["id"] for _ in missed] == [m["id"] for m in missed]
            run = await queue(world)
            assert await received(stream, 1) == [(run, "QUEUED")]
            everything = await oldest_first(client, world)


async def test_events_continue_after_the_last_event_id(world: World, client: Client) -> None:
    await live(world)
    await live(world)
    everything = await oldest_first(client, world)
    async with client.resume(everything[0]["cursor"], WATCH, of(world)) as stream:
        assert [(await stream.next())["id"] for _ in everything[1:]] == [
            each["id"] for each in everything[1:]
        ]


async def test_notifications_reach_only_their_recipient(
    api: RunningApi, world: World, client: Client
) -> None:
    start = Cursor("notifications", world.tenant_id, (0,)).encode()
    owner = api.member(world, TenantRole.OWNER)
    async with owner.subscribe(WEBSOCKET, WATCH, of(world, after=start)) as stream:
        await live(world)
        own = await world.starter.start(
            await world.access(TenantRole.OWNER),
            resource="inventory",
            action="sync",
            subject="s",
            context={"scopeKey": "s"},
        )
        run = GlobalId("OperationRun", world.tenant_id, own.run.id.hex).encode()
        assert await received(stream, 1) == [(run, "QUEUED")]


async def test_a_new_epoch_during_a_stream_loses_nothing(world: World, client: Client) -> None:
    await queue(world)
    (start,) = await oldest_first(client, world)
    async with client.subscribe(WEBSOCKET, WATCH, of(world, after=start["cursor"])) as stream:
        run = await queue(world)
        assert await received(stream, 1) == [(run, "QUEUED")]
        await world.write(
            "UPDATE opsrun.tenant_feed SET epoch = gen_random_uuid() WHERE tenant_id = :tenant_id"
        )
        later = await queue(world)
        assert await received(stream, 1) == [(later, "QUEUED")]


@pytest.mark.usefixtures("often")
async def test_a_user_who_loses_the_role_loses_the_stream(
    world: World, client: Client, transport: str
) -> None:
    await queue(world)
    transactions = world.resources[Login.MAINTENANCE].transactions
    start = Cursor("notifications", world.tenant_id, (0,)).encode()
    async with client.subscribe(transport, WATCH, of(world, after=start)) as stream:
        await stream.next()
        await remove_member(transactions, world.slug, world.members[TenantRole.OPERATOR])
        assert await stream.failure() == "FORBIDDEN"


async def test_a_slow_reader_who_loses_the_role_receives_nothing_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await live(world)
    transactions = world.resources[Login.MAINTENANCE].transactions
    start = Cursor("notifications", world.tenant_id, (0,)).encode()
    async with slow_reader(world, monkeypatch, WATCH, of(world, after=start)) as pull:
        assert (await pull())["outcome"] == "QUEUED"
        await remove_member(transactions, world.slug, world.members[TenantRole.OPERATOR])
        assert await pull() == "FORBIDDEN"


async def test_a_slow_stream_survives_an_outage_between_two_notifications(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await live(world)
    start = Cursor("notifications", world.tenant_id, (0,)).encode()
    async with slow_reader(world, monkeypatch, WATCH, of(world, after=start)) as pull:
        seen = [(await pull())["outcome"]]
        lost = lose_the_database_once(monkeypatch)
        seen.append((await pull())["outcome"])
    assert lost.is_set()
    assert seen == ["QUEUED", "PARTIALLY_SUCCEEDED"]


async def test_a_client_that_leaves_stops_its_follower(
    api: RunningApi, world: World, client: Client, transport: str
) -> None:
    await queue(world)
    start = Cursor("notifications", world.tenant_id, (0,)).encode()
    async with client.subscribe(transport, WATCH, of(world, after=start)) as stream:
        await stream.next()
        assert world.tenant_id in api.cases.feeds._feeds
    await eventually(lambda: world.tenant_id not in api.cases.feeds._feeds)


async def test_an_invalid_cursor_is_bad_input(world: World, client: Client, transport: str) -> None:
    for cursor in ("garbage", "\x00", Cursor("feed", world.tenant_id, (7,)).encode()):
        async with client.subscribe(transport, WATCH, of(world, after=cursor)) as stream:
            assert await stream.failure() == "BAD_USER_INPUT"
