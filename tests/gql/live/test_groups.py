"""Equal subscribers share the work; each keeps its own place, rights and pace."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from domain.tenancy.administration import remove_member, save_member
from domain.tenancy.models import User
from domain.tenancy.roles import TenantRole
from gql import context as context_module
from gql.live import following
from gql.live import subscribers as subscribers_module
from gql.live.executions import Execution
from gql.transport import sse, websocket
from opsrun.auth.tokens import LOCAL_ISSUER, LocalTokens
from opsrun.postgres.engines import Login
from tests.client import PATH, SSE, TRANSPORTS, WEBSOCKET, Stream
from tests.gql.api import RunningApi
from tests.gql.runs.watching import (
    LIFE,
    WATCH_RUN,
    WATCH_RUNS,
    changed,
    claim,
    cursor_at,
    live,
    of_tenant,
    queue,
    succeed,
    versions,
)
from tests.gql.transport.frames import raw_websocket, text
from tests.world import LOCAL_KEY, World

OWN = """subscription ($tenant: ID!) { operationRuns(tenantId: $tenant) {
  __typename
  ... on OperationRunChanged { run { tenant { notifications { nodes { id } } } } }
} }"""
# 40 kB an event, so that the buffers of a connection are soon full.
BULKY = """subscription ($tenant: ID!) { operationRuns(tenantId: $tenant) {
  __typename
  ... on OperationRunChanged { run { counts { processed } MANY } }
} }""".replace("MANY", " ".join(f"u{number}: url" for number in range(300)))
LATEST = WATCH_RUNS.replace("after: $after", "after: $after, latestOnly: true")


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often an event of each type was executed."""
    counts: Counter[str] = Counter()

    def counted(*of: Any) -> Execution:
        counts["events"] += 1
        return Execution(*of)

    monkeypatch.setattr(subscribers_module, "Execution", counted)
    return counts


async def colleague(world: World, name: str) -> str:
    """Add an operator to the tenant; return a token."""
    user = User(LOCAL_ISSUER, f"{name}@{world.slug}", name)
    transactions = world.resources[Login.MAINTENANCE].transactions
    await save_member(transactions, world.slug, user, TenantRole.OPERATOR)
    return LocalTokens(LOCAL_KEY).mint(user.subject, name=name, lifetime=timedelta(hours=1))


@asynccontextmanager
async def watchers(
    api: RunningApi,
    world: World,
    transports: Sequence[str],
    query: str = WATCH_RUNS,
    **variables: Any,
) -> AsyncIterator[list[Stream]]:
    """Open a stream for a different operator on each transport, after its first message."""
    async with AsyncExitStack() as stack:
        streams = []
        for number, transport in enumerate(transports):
            client = api.client(await colleague(world, f"w{number}"))
            watching = client.subscribe(transport, query, variables or of_tenant(world))
            streams.append(await stack.enter_async_context(watching))
            await streams[-1].next()
        yield streams


async def test_users_of_one_role_execute_an_event_once_on_any_transport(
    api: RunningApi, world: World, executed: Counter[str]
) -> None:
    async with watchers(api, world, (WEBSOCKET, SSE, WEBSOCKET, SSE)) as streams:
        executed.clear()
        await live(world)
        for stream in streams:
            seen = [changed(await stream.next())[1] for _ in LIFE]
            assert seen == [version for version, _ in LIFE]
    assert executed["events"] == len(LIFE)


async def test_watchers_of_one_run_share_its_events_and_all_complete(
    api: RunningApi, world: World, executed: Counter[str]
) -> None:
    run = await queue(world)
    async with watchers(api, world, (WEBSOCKET, SSE, WEBSOCKET), WATCH_RUN, id=run) as streams:
        executed.clear()
        await (await claim(world, run)).finish()
        for stream in streams:
            assert versions(await stream.rest()) == [(2, "STARTED"), (3, "FINISHED")]
    assert executed["events"] == 2


async def test_users_of_different_roles_do_not_share(
    api: RunningApi, world: World, executed: Counter[str]
) -> None:
    async with AsyncExitStack() as stack:
        streams = []
        for role in (TenantRole.READONLY, TenantRole.OWNER):
            watching = api.member(world, role).subscribe(WEBSOCKET, WATCH_RUNS, of_tenant(world))
            streams.append(await stack.enter_async_context(watching))
            await streams[-1].next()
        executed.clear()
        await queue(world)
        for stream in streams:
            assert (await stream.next())["change"] == "ENTERED"
    assert executed["events"] == 2


async def test_what_belongs_to_a_user_is_not_shared_with_others(
    api: RunningApi, world: World
) -> None:
    async with (
        watchers(api, world, (WEBSOCKET, SSE), OWN) as others,
        api.member(world).subscribe(WEBSOCKET, OWN, of_tenant(world)) as stream,
    ):
        await stream.next()
        await queue(world)
        events = [await each.next() for each in (stream, *others)]
    # Only the member who started the run is notified.
    assert [len(event["run"]["tenant"]["notifications"]["nodes"]) for event in events] == [1, 0, 0]


async def test_subscribers_join_at_their_own_cursor_and_then_share(
    api: RunningApi, world: World, executed: Counter[str]
) -> None:
    await live(world)
    await live(world)
    end = 2 * len(LIFE)
    cursors = [await cursor_at(world, seq) for seq in range(end + 1)]
    async with AsyncExitStack() as stack:
        streams = []
        for number, seq in enumerate((0, 3, 7, end - 1)):
            client = api.client(await colleague(world, f"late{number}"))
            variables = of_tenant(world, after=cursors[seq])
            watching = client.subscribe(TRANSPORTS[number % 2], WATCH_RUNS, variables)
            streams.append(await stack.enter_async_context(watching))
            missed = cursors[seq + 1 :]
            assert [(await streams[-1].next())["cursor"] for _ in missed] == missed
        executed.clear()
        run = await queue(world)
        for stream in streams:
            assert (await stream.next())["run"]["id"] == run
    assert executed["events"] == 1


async def test_when_subscribers_leave_the_others_miss_nothing(
    api: RunningApi, world: World
) -> None:
    execution = await world.start_and_claim()
    async with AsyncExitStack() as stack:
        leaving = [await stack.enter_async_context(AsyncExitStack()) for _ in range(4)]
        for leaver in leaving:
            await leaver.enter_async_context(watchers(api, world, (WEBSOCKET,)))
        async with watchers(api, world, (SSE, WEBSOCKET)) as staying:
            for number, leaver in enumerate(leaving):
                await asyncio.gather(succeed(execution, f"item {number}"), leaver.aclose())
                for stream in staying:
                    assert (await stream.next())["run"]["counts"]["processed"] == number + 1


async def test_a_subscriber_who_lost_the_role_ends_and_the_others_continue(
    api: RunningApi, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with watchers(api, world, (WEBSOCKET, SSE, WEBSOCKET)) as streams:
        monkeypatch.setattr(context_module, "PRINCIPAL_SECONDS", 0.0)
        transactions = world.resources[Login.MAINTENANCE].transactions
        leaver = User(LOCAL_ISSUER, f"w1@{world.slug}", "w1")
        await remove_member(transactions, world.slug, leaver)
        run = await queue(world)
        for stream in (streams[0], streams[2]):
            assert (await stream.next())["run"]["id"] == run
        assert await streams[1].failure() == "FORBIDDEN"


@pytest.mark.usefixtures("often")
async def test_who_lost_the_role_ends_also_while_only_other_runs_change(
    api: RunningApi, world: World
) -> None:
    run = await queue(world)
    async with watchers(api, world, TRANSPORTS * 2, WATCH_RUN, id=run) as streams:
        transactions = world.resources[Login.MAINTENANCE].transactions
        for number in range(1, len(streams)):
            leaver = User(LOCAL_ISSUER, f"w{number}@{world.slug}", "")
            await remove_member(transactions, world.slug, leaver)
        busy = asyncio.create_task(keep_busy(world))
        try:
            for stream in streams[1:]:
                assert await stream.failure() == "FORBIDDEN"
        finally:
            busy.cancel()
            await asyncio.gather(busy, return_exceptions=True)


async def keep_busy(world: World) -> None:
    """Move other runs without end."""
    while True:
        await live(world)


# Subscribers that do not read


def subscribers(api: RunningApi, transport: str) -> float:
    """Return the number of list subscriptions on a transport."""
    labels = {"transport": transport, "field": "operationRuns"}
    return api.registry.get_sample_value("opsrun_subscribers", labels) or 0.0


@asynccontextmanager
async def stalled(api: RunningApi, world: World, transport: str) -> AsyncIterator[None]:
    """Subscribe to the bulky list, and read only until the first event."""
    token = await colleague(world, "stalled")
    payload = {"query": BULKY, "variables": of_tenant(world)}
    port = api.http.base_url.port
    assert port is not None
    if transport == WEBSOCKET:
        async with raw_websocket(port) as raw:
            await raw.sign_in(token)
            raw.writer.write(text({"type": "subscribe", "id": "1", "payload": payload}))
            await raw.message()
            yield
        return
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps(payload).encode()
    writer.write(
        f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        f"Accept: text/event-stream\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    await reader.readuntil(b"FeedReset")
    try:
        yield
    finally:
        writer.transport.abort()


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_subscriber_that_does_not_read_delays_no_other_and_is_ended(
    api: RunningApi, world: World, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (websocket, sse):
        monkeypatch.setattr(module, "SEND_TIMEOUT", 0.3)
    execution = await world.start_and_claim()
    async with watchers(api, world, TRANSPORTS, BULKY) as readers, asyncio.timeout(60):
        before = subscribers(api, transport)
        async with stalled(api, world, transport):
            assert subscribers(api, transport) == before + 1
            processed = 0
            while subscribers(api, transport) > before:
                processed += 1
                await succeed(execution, f"item {processed}")
                for reader in readers:
                    event = await reader.next()
                    assert event["run"]["counts"]["processed"] == processed
        # More than one event went out before it was ended, and all of them to the others.
        assert processed > 10


# The latest state only


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_latest_only_skips_versions_that_are_replaced_soon(
    api: RunningApi, world: World, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "LATEST_SECONDS", 0.3)
    async with watchers(api, world, (transport, WEBSOCKET), LATEST) as streams:
        first, second = await live(world), await live(world)
        for stream in streams:
            seen: dict[str, list[int]] = {first: [], second: []}
            while any(run[-1:] != [len(LIFE)] for run in seen.values()):
                event = await stream.next()
                assert event["change"] == ("UPDATED" if seen[event["run"]["id"]] else "ENTERED")
                seen[event["run"]["id"]].append(event["run"]["version"])
            for of_run in seen.values():
                assert of_run == sorted(set(of_run))
            assert sum(map(len, seen.values())) < 2 * len(LIFE)


async def test_latest_only_resumes_after_its_cursor_without_loss(
    api: RunningApi, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "LATEST_SECONDS", 0.05)
    runs = [await live(world), await live(world)]
    after = await cursor_at(world, 2)
    variables = of_tenant(world, after=after)
    async with api.member(world).subscribe(WEBSOCKET, LATEST, variables) as stream:
        events = [await stream.next() for _ in runs]
    assert [changed(event) for event in events] == [("UPDATED", 6), ("ENTERED", 6)]
    assert [event["cursor"] for event in events] == [
        await cursor_at(world, len(LIFE)),
        await cursor_at(world, 2 * len(LIFE)),
    ]
