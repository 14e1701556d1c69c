"""A client that reconnects receives every event once and in order (H3)."""

import asyncio
import itertools
from typing import Any

import pytest

from domain.tenancy.administration import save_member
from domain.tenancy.roles import TenantRole
from gql.ids import GlobalId
from opsrun.postgres.engines import Login
from tests.client import SSE, WEBSOCKET, Client
from tests.gql.api import RunningApi
from tests.gql.runs.watching import (
    LIFE,
    WATCH_RUN,
    WATCH_RUNS,
    claim,
    cursor_at,
    live,
    of_tenant,
    queue,
    versions,
)
from tests.world import World


@pytest.fixture
def client(api: RunningApi, world: World) -> Client:
    return api.member(world)


async def recorded(client: Client, world: World, run: str) -> list[Any]:
    """Return all events of an ended run, from a cursor before its first."""
    start = await cursor_at(world, 0)
    async with client.subscribe(WEBSOCKET, WATCH_RUN, {"id": run, "after": start}) as stream:
        return await stream.rest()


# Reconnecting


async def test_a_runs_stream_sends_exactly_the_events_after_the_cursor(
    world: World, client: Client, transport: str
) -> None:
    await live(world)
    run = await live(world)
    await live(world)
    events = await recorded(client, world, run)
    assert versions(events) == LIFE
    for place, event in enumerate(events[:-1]):
        variables = {"id": run, "after": event["cursor"]}
        async with client.subscribe(transport, WATCH_RUN, variables) as stream:
            assert await stream.rest() == events[place + 1 :]


async def test_a_cursor_after_the_end_still_shows_the_end(
    world: World, client: Client, transport: str
) -> None:
    run = await live(world)
    end = (await recorded(client, world, run))[-1]
    await live(world)
    for cursor in (end["cursor"], await cursor_at(world, 12)):
        variables = {"id": run, "after": cursor}
        async with client.subscribe(transport, WATCH_RUN, variables) as stream:
            (event,) = await stream.rest()
        assert event["kind"] is None
        assert event["run"] == end["run"]


async def test_a_run_continues_live_after_the_cursor(world: World, client: Client) -> None:
    run = await queue(world)
    execution = await claim(world, run)
    after = await cursor_at(world, 1)
    async with client.subscribe(WEBSOCKET, WATCH_RUN, {"id": run, "after": after}) as stream:
        assert versions([await stream.next()]) == [(2, "STARTED")]
        await execution.finish()
        assert versions(await stream.rest()) == [(3, "FINISHED")]


async def test_a_lists_stream_sends_exactly_the_events_after_the_cursor(
    world: World, client: Client, transport: str
) -> None:
    async with client.subscribe(transport, WATCH_RUNS, of_tenant(world)) as stream:
        await stream.next()
        await live(world)
        await live(world)
        events = [await stream.next() for _ in range(2 * len(LIFE))]
    for place in (0, 5, 11):
        missed = events[place + 1 :]
        variables = of_tenant(world, after=events[place]["cursor"])
        async with client.subscribe(transport, WATCH_RUNS, variables) as stream:
            assert [await stream.next() for _ in missed] == missed
            later = await queue(world)
            assert (await stream.next())["run"]["id"] == later
            await (await claim(world, later)).finish()
        events += await between(client, world, events[-1]["cursor"], 3)


async def between(client: Client, world: World, cursor: str, count: int) -> list[Any]:
    variables = of_tenant(world, after=cursor)
    async with client.subscribe(WEBSOCKET, WATCH_RUNS, variables) as stream:
        return [await stream.next() for _ in range(count)]


async def test_a_client_that_keeps_losing_its_connection_misses_nothing(
    world: World, client: Client, transport: str
) -> None:
    patience = itertools.cycle((1, 4, 2, 5, 3))
    async with client.subscribe(transport, WATCH_RUNS, of_tenant(world)) as stream:
        cursor = (await stream.next())["cursor"]
    seen: list[tuple[str, int]] = []
    cursors: list[str] = []
    async with asyncio.TaskGroup() as group:
        for _ in range(6):
            group.create_task(live(world))
        while len(seen) < 6 * len(LIFE):
            variables = of_tenant(world, after=cursor)
            async with client.subscribe(transport, WATCH_RUNS, variables) as stream:
                for _ in range(min(next(patience), 6 * len(LIFE) - len(seen))):
                    event = await stream.next()
                    cursor = event["cursor"]
                    cursors.append(cursor)
                    seen.append((event["run"]["id"], event["run"]["version"]))
    written = await world.rows(
        "SELECT run_id, version, seq FROM opsrun.run_event WHERE tenant_id = :tenant_id"
        " ORDER BY seq"
    )
    assert seen == [
        (GlobalId("OperationRun", world.tenant_id, run.hex).encode(), version)
        for run, version, _ in written
    ]
    assert cursors == [await cursor_at(world, seq) for _, _, seq in written]


async def test_events_carry_their_cursor_as_id(world: World, client: Client) -> None:
    run = await live(world)
    cursors = [event["cursor"] for event in await recorded(client, world, run)]
    start = await cursor_at(world, 0)
    async with client.stream(WATCH_RUN, {"id": run, "after": start}) as response:
        lines = [line async for line in response.aiter_lines()]
    assert [line for line in lines if line.startswith("id")] == [f"id: {each}" for each in cursors]


async def test_events_continue_after_the_last_event_id(world: World, client: Client) -> None:
    run = await live(world)
    events = await recorded(client, world, run)
    last = events[1]["cursor"]
    async with client.resume(last, WATCH_RUN, {"id": run}) as stream:
        assert await stream.rest() == events[2:]
    async with client.resume(last, WATCH_RUNS, of_tenant(world, after=None)) as stream:
        cursors = [(await stream.next())["cursor"] for _ in events[2:]]
        assert cursors == [event["cursor"] for event in events[2:]]
    async with client.resume(
        last, WATCH_RUNS, of_tenant(world, after=events[3]["cursor"])
    ) as stream:
        assert (await stream.next())["cursor"] == events[4]["cursor"]


async def test_two_subscribers_see_the_same(api: RunningApi, world: World, client: Client) -> None:
    reader = api.member(world, TenantRole.READONLY)
    async with (
        client.subscribe(WEBSOCKET, WATCH_RUNS, of_tenant(world)) as one,
        reader.subscribe(SSE, WATCH_RUNS, of_tenant(world)) as other,
    ):
        assert await one.next() == await other.next()
        await live(world)
        assert [await one.next() for _ in LIFE] == [await other.next() for _ in LIFE]


# Unusable cursors


async def expire(world: World) -> None:
    await world.write("UPDATE opsrun.tenant_feed SET min_seq = seq WHERE tenant_id = :tenant_id")


async def renew(world: World) -> None:
    await world.write(
        "UPDATE opsrun.tenant_feed SET epoch = gen_random_uuid() WHERE tenant_id = :tenant_id"
    )


async def test_an_expired_cursor_leads_to_a_snapshot(
    world: World, client: Client, transport: str
) -> None:
    run = await live(world)
    cursor = await cursor_at(world, 3)
    await expire(world)
    await assert_is_reset(client, world, transport, cursor, "CURSOR_EXPIRED", run)


async def test_a_cursor_of_another_epoch_leads_to_a_snapshot(
    world: World, client: Client, transport: str
) -> None:
    run = await live(world)
    cursor = await cursor_at(world, 3)
    await renew(world)
    await assert_is_reset(client, world, transport, cursor, "CURSOR_FOREIGN", run)


async def test_a_cursor_from_the_future_leads_to_a_snapshot(
    world: World, client: Client, transport: str
) -> None:
    run = await live(world)
    cursor = await cursor_at(world, 100)
    await assert_is_reset(client, world, transport, cursor, "CURSOR_FOREIGN", run)


async def test_a_cursor_of_another_tenant_of_the_user_leads_to_a_snapshot(
    world: World, client: Client, transport: str
) -> None:
    other = await World.create(world.resources, world.exports)
    transactions = world.resources[Login.MAINTENANCE].transactions
    await save_member(
        transactions, other.slug, world.members[TenantRole.OPERATOR], TenantRole.READONLY
    )
    run = await live(world)
    await live(other)
    cursor = await cursor_at(other, 3)
    await assert_is_reset(client, world, transport, cursor, "CURSOR_FOREIGN", run)


async def assert_is_reset(
    client: Client, world: World, transport: str, cursor: str, reason: str, run: str
) -> None:
    variables = of_tenant(world, after=cursor)
    async with client.subscribe(transport, WATCH_RUNS, variables) as stream:
        reset = await stream.next()
        assert (reset["__typename"], reset["reason"]) == ("FeedReset", reason)
        assert [(run["id"], run["version"]) for run in reset["runs"]] == [(run, 6)]
        later = await queue(world)
        assert (await stream.next())["run"]["id"] == later
    async with client.subscribe(
        transport, WATCH_RUNS, of_tenant(world, after=reset["cursor"])
    ) as stream:
        assert (await stream.next())["run"]["id"] == later
    async with client.subscribe(transport, WATCH_RUN, {"id": later, "after": cursor}) as stream:
        event = await stream.next()
        assert (event["kind"], event["run"]["version"]) == (None, 1)
        await (await claim(world, later)).finish()
        assert versions(await stream.rest()) == [(2, "STARTED"), (3, "FINISHED")]


async def test_a_last_event_id_is_a_cursor(world: World, client: Client) -> None:
    await live(world)
    cursor = await cursor_at(world, 3)
    await expire(world)
    async with client.resume(cursor, WATCH_RUNS, of_tenant(world)) as stream:
        assert (await stream.next())["reason"] == "CURSOR_EXPIRED"
    async with client.resume("garbage", WATCH_RUNS, of_tenant(world)) as stream:
        assert await stream.failure() == "BAD_USER_INPUT"


async def test_a_new_epoch_during_a_stream_leads_to_a_snapshot(
    world: World, client: Client, transport: str
) -> None:
    async with client.subscribe(transport, WATCH_RUNS, of_tenant(world)) as stream:
        await stream.next()
        run = await queue(world)
        assert (await stream.next())["run"]["id"] == run
        await renew(world)
        later = await queue(world)
        reset = await stream.next()
        assert reset["__typename"] == "FeedReset"
        held = {run["id"] for run in reset["runs"]}
        if later not in held:
            held.add((await stream.next())["run"]["id"])
        assert held == {run, later}
        await claim(world, later)
        assert (await stream.next())["run"]["version"] == 2


async def test_a_text_that_is_not_a_cursor_is_bad_input(
    world: World, client: Client, transport: str
) -> None:
    run = await queue(world)
    for query, variables in ((WATCH_RUNS, of_tenant(world)), (WATCH_RUN, {"id": run})):
        for cursor in ("garbage", "\x00", "x" * 10_000):
            resumed = {**variables, "after": cursor}
            async with client.subscribe(transport, query, resumed) as stream:
                assert await stream.failure() == "BAD_USER_INPUT"
