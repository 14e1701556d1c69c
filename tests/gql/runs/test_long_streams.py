"""Long streams: idle time, lost access, outages and resources."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest

from domain.runs.feed import TenantFeed
from domain.runs.models import FeedCursor
from domain.tenancy.administration import remove_member
from domain.tenancy.models import TenantAccess
from domain.tenancy.roles import TenantRole
from domain.tenancy.session import DatabaseUnavailableError
from domain.tenancy.watchers import Watchers
from gql import context as context_module
from opsrun.auth.tokens import LocalTokens
from opsrun.postgres.engines import Login
from tests.client import TRANSPORTS, WEBSOCKET, Client, WebSocket
from tests.gql.api import RunningApi, eventually
from tests.gql.runs.watching import (
    LIFE,
    WATCH_RUN,
    WATCH_RUNS,
    claim,
    cursor_at,
    live,
    lose_the_database_once,
    of_tenant,
    queue,
    slow_reader,
)
from tests.world import LOCAL_KEY, World


@pytest.fixture
def client(api: RunningApi, world: World) -> Client:
    return api.member(world)


# While it is quiet


@pytest.mark.usefixtures("often")
async def test_a_quiet_feed_sends_heartbeats_with_a_usable_cursor(
    world: World, client: Client, transport: str
) -> None:
    async with client.subscribe(transport, WATCH_RUNS, of_tenant(world)) as stream:
        reset, first, second = [await stream.next() for _ in range(3)]
    assert first["__typename"] == second["__typename"] == "FeedHeartbeat"
    assert first["cursor"] == reset["cursor"]
    run = await queue(world)
    variables = of_tenant(world, after=second["cursor"])
    async with client.subscribe(transport, WATCH_RUNS, variables) as stream:
        assert (await stream.next())["run"]["id"] == run


@pytest.mark.usefixtures("often")
async def test_events_outside_the_filter_advance_the_cursor(
    world: World, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    after = TenantFeed.after

    async def never_quiet(feed: TenantFeed, cursor: FeedCursor, timeout: float) -> Any:
        while not (events := await after(feed, cursor, timeout)):
            pass
        return events

    monkeypatch.setattr(TenantFeed, "after", never_quiet)
    variables = of_tenant(world, filter={"runTypes": ["drift.generate"]})
    async with client.subscribe(WEBSOCKET, WATCH_RUNS, variables) as stream:
        cursor = (await stream.next())["cursor"]
        busy = asyncio.create_task(keep_busy(world))
        try:
            heartbeat = (await stream.until(lambda event: bool(event["cursor"] != cursor)))[-1]
        finally:
            busy.cancel()
            await asyncio.gather(busy, return_exceptions=True)
    assert heartbeat["__typename"] == "FeedHeartbeat"


async def keep_busy(world: World) -> None:
    while True:
        await live(world)


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("whole", [True, False])
async def test_a_user_who_loses_the_role_loses_the_stream(
    world: World, client: Client, transport: str, whole: bool
) -> None:
    run = await queue(world)
    query, variables = (WATCH_RUNS, of_tenant(world)) if whole else (WATCH_RUN, {"id": run})
    transactions = world.resources[Login.MAINTENANCE].transactions
    async with client.subscribe(transport, query, variables) as stream:
        await stream.next()
        await remove_member(transactions, world.slug, world.members[TenantRole.OPERATOR])
        assert await stream.failure() == "FORBIDDEN"


async def test_a_user_who_lost_the_role_receives_nothing_more(
    world: World, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context_module, "PRINCIPAL_SECONDS", 0.0)
    run = await queue(world)
    transactions = world.resources[Login.MAINTENANCE].transactions
    async with client.subscribe(WEBSOCKET, WATCH_RUNS, of_tenant(world)) as stream:
        await stream.next()
        await remove_member(transactions, world.slug, world.members[TenantRole.OPERATOR])
        await claim(world, run)
        assert (await stream.message())[0] == "error"


async def watching(world: World, *, whole: bool, after: int | None) -> tuple[str, dict[str, Any]]:
    """A subscription to the list or to an ended run, with its variables."""
    run = await live(world)
    place = None if after is None else await cursor_at(world, after)
    if whole:
        return WATCH_RUNS, of_tenant(world, after=place)
    return WATCH_RUN, {"id": run, "after": place}


@pytest.mark.parametrize("whole", [True, False])
async def test_a_slow_reader_who_lost_the_role_receives_nothing_more(
    world: World, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    query, variables = await watching(world, whole=whole, after=0)
    transactions = world.resources[Login.MAINTENANCE].transactions
    async with slow_reader(world, monkeypatch, query, variables) as pull:
        assert (await pull())["run"]["version"] == 1
        await remove_member(transactions, world.slug, world.members[TenantRole.OPERATOR])
        assert await pull() == "FORBIDDEN"


@pytest.mark.parametrize("whole", [True, False])
async def test_a_slow_reader_who_lost_the_role_receives_no_snapshot(
    world: World, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    run = await queue(world)
    query, variables = (WATCH_RUNS, of_tenant(world)) if whole else (WATCH_RUN, {"id": run})
    transactions = world.resources[Login.MAINTENANCE].transactions
    async with slow_reader(world, monkeypatch, query, variables) as pull:
        await pull()
        await remove_member(transactions, world.slug, world.members[TenantRole.OPERATOR])
        await world.write(
            "UPDATE opsrun.tenant_feed SET epoch = gen_random_uuid() WHERE tenant_id = :tenant_id"
        )
        assert await pull() == "FORBIDDEN"


@pytest.mark.parametrize("whole", [True, False])
async def test_a_slow_stream_survives_an_outage_between_two_events(
    world: World, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    query, variables = await watching(world, whole=whole, after=0)
    async with slow_reader(world, monkeypatch, query, variables) as pull:
        seen = [(await pull())["run"]["version"]]
        lost = lose_the_database_once(monkeypatch)
        seen += [(await pull())["run"]["version"] for _ in LIFE[1:]]
    assert lost.is_set()
    assert seen == [version for version, _ in LIFE]


@pytest.mark.usefixtures("often")
async def test_an_expired_token_ends_every_stream(api: RunningApi, world: World) -> None:
    run = await queue(world)
    # Clocks may differ by 30 s, so this token is good for two more.
    token = LocalTokens(LOCAL_KEY).mint(
        world.members[TenantRole.OPERATOR].subject, name="x", lifetime=timedelta(seconds=-28)
    )
    client = api.client(token)
    async with AsyncExitStack() as stack:
        streams = [
            await stack.enter_async_context(client.subscribe(transport, query, variables))
            for transport in TRANSPORTS
            for query, variables in ((WATCH_RUNS, of_tenant(world)), (WATCH_RUN, {"id": run}))
        ]
        for stream in streams:
            await stream.next()
        for stream in streams:
            assert await stream.failure() == "UNAUTHENTICATED"


@pytest.mark.usefixtures("often")
async def test_a_stream_survives_an_outage_of_the_database(
    world: World, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context_module, "RETRY_SECONDS", 0.01)
    access = Watchers.access
    async with client.subscribe(WEBSOCKET, WATCH_RUNS, of_tenant(world)) as stream:
        await stream.next()
        failed = asyncio.Event()

        async def unavailable(*_: object, **__: object) -> TenantAccess:
            failed.set()
            raise DatabaseUnavailableError("gone")

        monkeypatch.setattr(Watchers, "access", unavailable)
        run = await queue(world)
        await asyncio.wait_for(failed.wait(), 10)
        monkeypatch.setattr(Watchers, "access", access)
        seen = await stream.until(lambda event: bool(event["__typename"] == "OperationRunChanged"))
    assert seen[-1]["run"]["id"] == run


# What it costs


async def test_idle_streams_hold_no_database_connection(
    api: RunningApi, world: World, client: Client
) -> None:
    pool: Any = api.resources.engine.pool
    watchers = pool.size() + 2
    async with client.websocket() as websocket:
        ids = {await websocket.subscribe(WATCH_RUNS, of_tenant(world)) for _ in range(watchers)}
        assert {await reset_of(websocket) for _ in range(watchers)} == ids
        await eventually(lambda: pool.checkedout() == 0)
        assert await client.data("{ viewer { name } }")
        await live(world)
        for _ in range(watchers * len(LIFE)):
            await asyncio.wait_for(websocket.receive(), 10)
        await eventually(lambda: pool.checkedout() == 0)


async def reset_of(websocket: WebSocket) -> str:
    message = await asyncio.wait_for(websocket.receive(), 10)
    assert message["payload"]["data"]["operationRuns"]["__typename"] == "FeedReset", message
    id_: str = message["id"]
    return id_


async def test_a_client_that_leaves_stops_its_follower(
    api: RunningApi, world: World, client: Client, transport: str
) -> None:
    feeds = api.cases.feeds._feeds
    run = await queue(world)
    async with client.subscribe(transport, WATCH_RUNS, of_tenant(world)) as one:
        await one.next()
        async with client.subscribe(transport, WATCH_RUN, {"id": run}) as other:
            await other.next()
            assert feeds[world.tenant_id][0].followers == 2
        await eventually(lambda: feeds[world.tenant_id][0].followers == 1)
    await eventually(lambda: world.tenant_id not in feeds)


async def test_a_completed_stream_stops_its_follower(
    api: RunningApi, world: World, client: Client, transport: str
) -> None:
    run = await live(world)
    async with client.subscribe(transport, WATCH_RUN, {"id": run}) as stream:
        await stream.rest()
        await eventually(lambda: world.tenant_id not in api.cases.feeds._feeds)
