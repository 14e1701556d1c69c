"""Followers see every event once and in order, even through lost wake-ups and outages."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from domain.runs import feed as module
from domain.runs.feed import FeedGapError, TenantFeed, TenantFeeds
from domain.runs.models import FeedCursor
from domain.runs.repository import feed as repository
from domain.tenancy.transactions import Transactions
from domain.wakeups import Waiter, WakeUps
from opsrun.dev.embedded import EmbeddedServers
from opsrun.postgres.engines import Login, open_engine
from opsrun.postgres.url import parse_url
from tests.acts import until
from tests.world import World

SOON = 10.0
BRIEF = 0.05


class LostWakeUps:
    """Loses every wake-up; a test wakes the waiters with `nudged`."""

    def __init__(self) -> None:
        self.nudged = asyncio.Event()

    def nudge(self, *topics: str) -> None:
        """Wake no one."""

    @asynccontextmanager
    async def subscribe(self, topic: str) -> AsyncIterator[Waiter]:
        """Return the waiter that `nudged` wakes."""
        yield self

    async def wait(self, timeout: float) -> bool:
        """Wait for `nudged`, at most `timeout` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self.nudged.wait()
                self.nudged.clear()
                return True
        return False


def feeds(
    world: World, *, poll_seconds: float = 600, wakeups: WakeUps | None = None
) -> TenantFeeds:
    """Return the feeds of a process that by default polls too rarely to matter."""
    api = world.resources[Login.API]
    return TenantFeeds(api.transactions, wakeups or api.wakeups, poll_seconds=poll_seconds)


async def position(world: World) -> FeedCursor:
    """Return the cursor of the end of the tenant's feed."""
    return await world.cursor(await world.access())


async def take(feed: TenantFeed, cursor: FeedCursor, count: int) -> list[int]:
    """Follow from the cursor for `count` events, and return their numbers."""
    seen: list[int] = []
    async with asyncio.timeout(SOON):
        while len(seen) < count:
            for event in await feed.after(cursor, SOON):
                seen.append(event.seq)
                cursor = FeedCursor(cursor.epoch, event.seq)
    return seen


async def until_gone(tasks: set[asyncio.Task[object]]) -> None:
    """Wait until only these tasks are left."""

    async def gone() -> bool:
        return not asyncio.all_tasks() - tasks

    await until(gone)


def seqs(first: int, last: int) -> list[int]:
    """Return the numbers from `first` to `last`."""
    return list(range(first, last + 1))


async def test_events_are_seen_at_once_and_in_order(world: World) -> None:
    start = await position(world)
    async with feeds(world).follow(world.tenant_id) as feed:
        following = asyncio.create_task(take(feed, start, 3))
        execution = await world.start_and_claim()
        await execution.finish()
        assert await following == [1, 2, 3]


async def test_the_poll_reads_events_whose_wake_up_was_lost(world: World) -> None:
    start = await position(world)
    deaf = feeds(world, poll_seconds=BRIEF, wakeups=LostWakeUps())
    async with deaf.follow(world.tenant_id) as feed:
        assert not await feed.after(start, BRIEF)
        for number in (1, 2, 3):
            await world.start()
            assert await take(feed, FeedCursor(start.epoch, number - 1), 1) == [number]


async def test_one_wake_up_is_enough_for_any_number_of_events(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BATCH", 2)
    wakeups = LostWakeUps()
    start = await position(world)
    async with feeds(world, wakeups=wakeups).follow(world.tenant_id) as feed:
        assert not await feed.after(start, BRIEF)
        for _ in range(7):
            await world.start()
        wakeups.nudged.set()
        assert await take(feed, start, 7) == seqs(1, 7)


async def test_a_follower_of_a_quiet_feed_returns_in_time(world: World) -> None:
    await world.start()
    async with feeds(world).follow(world.tenant_id) as feed:
        async with asyncio.timeout(SOON):
            assert not await feed.after(await position(world), BRIEF)


async def test_two_followers_share_a_reader(world: World) -> None:
    shared = feeds(world)
    start = await position(world)
    tasks = asyncio.all_tasks()
    async with shared.follow(world.tenant_id) as one, shared.follow(world.tenant_id) as other:
        assert one is other
        assert len(asyncio.all_tasks() - tasks) == 1
        both = asyncio.gather(take(one, start, 2), take(other, start, 2))
        await world.start_and_claim()
        assert list(await both) == [[1, 2], [1, 2]]


async def test_the_reader_ends_with_its_last_follower(world: World) -> None:
    shared = feeds(world)
    start = await position(world)
    tasks = asyncio.all_tasks()
    async with shared.follow(world.tenant_id) as staying:
        async with shared.follow(world.tenant_id):
            pass
        await world.start()
        assert await take(staying, start, 1) == [1]
    await until_gone(tasks)
    async with shared.follow(world.tenant_id) as later:
        await world.start()
        assert await take(later, start, 2) == [1, 2]
    await until_gone(tasks)


async def test_a_cancelled_follower_leaves_no_task(world: World) -> None:
    shared = feeds(world)
    tasks = asyncio.all_tasks()
    waiting = asyncio.Event()

    async def follow() -> None:
        async with shared.follow(world.tenant_id) as feed:
            waiting.set()
            await feed.after(await position(world), SOON)

    followers = [asyncio.create_task(follow()) for _ in range(3)]
    await waiting.wait()
    for follower in followers:
        follower.cancel()
    await asyncio.gather(*followers, return_exceptions=True)
    await until_gone(tasks)


async def test_a_follower_sees_only_events_of_its_tenant(world: World) -> None:
    neighbour = await World.create(world.resources, world.exports)
    shared = feeds(world)
    here, there = await position(world), await position(neighbour)
    async with (
        shared.follow(world.tenant_id) as feed,
        shared.follow(neighbour.tenant_id) as other,
    ):
        await neighbour.start()
        assert await take(other, there, 1) == [1]
        assert not await feed.after(here, BRIEF)
        with pytest.raises(FeedGapError):
            await feed.after(FeedCursor(there.epoch, 0), SOON)


@pytest.mark.parametrize(("buffer", "batch"), [(1000, 200), (4, 3), (3, 4), (1, 1)])
async def test_a_slow_follower_catches_up_without_loss(
    world: World, monkeypatch: pytest.MonkeyPatch, buffer: int, batch: int
) -> None:
    monkeypatch.setattr(module, "_BUFFER", buffer)
    monkeypatch.setattr(module, "_BATCH", batch)
    start = await position(world)
    async with feeds(world).follow(world.tenant_id) as feed:
        fast = asyncio.create_task(take(feed, start, 12))
        for _ in range(6):
            await world.start_and_claim()
        assert await fast == seqs(1, 12)
        for seen in range(12):
            missed = await take(feed, FeedCursor(start.epoch, seen), 12 - seen)
            assert missed == seqs(seen + 1, 12)
        assert len(await feed.after(start, SOON)) <= batch


async def test_a_follower_within_the_buffer_reads_nothing_from_the_database(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = await position(world)
    async with feeds(world).follow(world.tenant_id) as feed:

        async def reader_waits() -> bool:
            return feed.has_reached(start)

        await until(reader_waits)
        await take_after_starts(world, feed, start, 5)

        async def read_nothing(*_: object, **__: object) -> None:
            raise AssertionError("The events are in the buffer.")

        monkeypatch.setattr(repository, "events_after", read_nothing)
        monkeypatch.setattr(repository, "position", read_nothing)
        for seen in range(5):
            assert await take(feed, FeedCursor(start.epoch, seen), 5 - seen) == seqs(seen + 1, 5)


async def take_after_starts(world: World, feed: TenantFeed, cursor: FeedCursor, count: int) -> None:
    """Start runs and follow until their events arrive."""
    for _ in range(count):
        await world.start()
    assert await take(feed, cursor, count) == seqs(1, count)


# Invalid cursors


async def test_any_cursor_of_another_epoch_is_a_gap(world: World) -> None:
    start = await position(world)
    async with feeds(world).follow(world.tenant_id) as feed:
        await take_after_starts(world, feed, start, 3)
        for seq in range(6):
            with pytest.raises(FeedGapError):
                await feed.after(FeedCursor(uuid4(), seq), SOON)


async def test_a_cursor_from_the_future_is_a_gap(world: World) -> None:
    start = await position(world)
    async with feeds(world).follow(world.tenant_id) as feed:
        await take_after_starts(world, feed, start, 3)
        with pytest.raises(FeedGapError):
            await feed.after(replace(start, seq=4), BRIEF)


async def test_a_cursor_ahead_of_the_reader_alone_is_not_a_gap(world: World) -> None:
    start = await position(world)
    deaf = feeds(world, wakeups=LostWakeUps())
    async with deaf.follow(world.tenant_id) as feed:
        assert not await feed.after(start, BRIEF)
        await world.start()
        assert not await feed.after(await position(world), BRIEF)


async def test_followers_start_over_after_a_restored_backup(world: World) -> None:
    start = await position(world)
    async with feeds(world, poll_seconds=BRIEF).follow(world.tenant_id) as feed:
        await take_after_starts(world, feed, start, 3)
        await world.write(
            "UPDATE opsrun.tenant_feed SET epoch = gen_random_uuid() WHERE tenant_id = :tenant_id"
        )
        for seq in (3, 2, 0):
            with pytest.raises(FeedGapError):
                await feed.after(replace(start, seq=seq), SOON)
        restart = await position(world)
        await world.start()
        assert await take(feed, restart, 1) == [4]
        with pytest.raises(FeedGapError):
            await feed.after(replace(start, seq=3), SOON)


# Outages of the database


@pytest.mark.parametrize("function", ["pg_terminate_backend", "pg_cancel_backend"])
async def test_followers_survive_the_loss_of_their_readers_connection_or_statement(
    world: World,
    servers: EmbeddedServers,
    logins: dict[Login, str],
    caplog: pytest.LogCaptureFixture,
    function: str,
) -> None:
    start = await position(world)
    async with open_engine(logins[Login.API], pool_size=1) as engine:
        deaf = TenantFeeds(Transactions(engine), LostWakeUps(), poll_seconds=BRIEF)
        async with deaf.follow(world.tenant_id) as feed:
            following = asyncio.create_task(take(feed, start, 2))
            await interrupt_reader(world, servers.postgres_url, function, caplog)
            await world.start_and_claim()
            assert await following == [1, 2]


async def interrupt_reader(
    world: World, admin_url: str, function: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Block the reader of the feed, call the function on its backend, and unblock it."""
    blocked = text(
        "SELECT pid FROM pg_locks WHERE relation = 'opsrun.tenant_feed'::regclass AND NOT granted"
    )
    async with (
        open_engine(admin_url) as engine,
        engine.connect() as admin,
        world.resources[Login.MAINTENANCE].transactions.installation() as session,
    ):
        await session.execute(text("LOCK opsrun.tenant_feed IN ACCESS EXCLUSIVE MODE"))
        pids: list[int] = []

        async def is_blocked() -> bool:
            pids.extend(await session.scalars(blocked))
            return bool(pids)

        async def was_interrupted() -> bool:
            return any(record.name == module.__name__ for record in caplog.records)

        await until(is_blocked)
        await admin.execute(text(f"SELECT {function}(:pid)"), {"pid": pids[0]})
        await until(was_interrupted)


async def test_followers_wait_without_a_database(world: World) -> None:
    start = await position(world)
    engine = create_async_engine("postgresql+asyncpg://user@127.0.0.1:1/nothing")
    lost = TenantFeeds(Transactions(engine), LostWakeUps(), poll_seconds=BRIEF)
    async with lost.follow(world.tenant_id) as feed:
        assert not await feed.after(start, BRIEF)


async def test_an_unreadable_event_is_skipped_and_leads_to_a_reset(
    world: World,
    servers: EmbeddedServers,
    logins: dict[Login, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    start = await position(world)
    wakeups = LostWakeUps()
    async with feeds(world, wakeups=wakeups).follow(world.tenant_id) as feed:
        assert not await feed.after(start, BRIEF)
        await world.start_and_claim()
        database = parse_url(logins[Login.API]).database
        admin_url = parse_url(servers.postgres_url).set(database=database)
        async with open_engine(admin_url) as engine, engine.begin() as admin:
            await admin.execute(
                text("UPDATE opsrun.run_event SET status = 'MERGED' WHERE tenant_id = :t"),
                {"t": world.tenant_id},
            )
        wakeups.nudged.set()
        with pytest.raises(FeedGapError):
            await take(feed, start, 1)
        # A follower that starts over continues from there.
        restart = await position(world)
        following = asyncio.create_task(take(feed, restart, 1))
        await world.start()
        wakeups.nudged.set()
        assert await following == [restart.seq + 1]
    passed_over = [record for record in caplog.records if "skips events" in record.message]
    assert len(passed_over) == 1
