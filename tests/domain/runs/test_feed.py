"""Followers see every event once and in order, whatever happens in between."""

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
from tests.working import until
from tests.world import World

SOON = 10.0
BRIEF = 0.05


class LostWakeUps:
    """Loses every nudge, until a test sets `nudged` by hand."""

    def __init__(self) -> None:
        self.nudged = asyncio.Event()

    async def nudge(self, *topics: str) -> None:
        """Say nothing."""

    @asynccontextmanager
    async def subscribe(self, topic: str) -> AsyncIterator[Waiter]:
        """Hear nothing."""
        yield self

    async def wait(self, timeout: float) -> bool:
        """Wait in vain, most of the time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self.nudged.wait()
                self.nudged.clear()
                return True
        return False


def feeds(
    world: World, *, poll_seconds: float = 600, wakeups: WakeUps | None = None
) -> TenantFeeds:
    """The feeds of a process that would poll in vain, unless a test says otherwise."""
    api = world.resources[Login.API]
    return TenantFeeds(api.transactions, wakeups or api.wakeups, poll_seconds=poll_seconds)


async def position(world: World) -> FeedCursor:
    """Return where the tenant's feed stands."""
    return await world.cursor(await world.access())


async def take(feed: TenantFeed, cursor: FeedCursor, count: int) -> list[int]:
    """Follow from the cursor until so many events have come; return their numbers."""
    seen: list[int] = []
    async with asyncio.timeout(SOON):
        while len(seen) < count:
            for event in await feed.after(cursor, SOON):
                seen.append(event.seq)
                cursor = FeedCursor(cursor.epoch, event.seq)
    return seen


async def until_gone(tasks: set[asyncio.Task[object]]) -> None:
    """Wait until no task is left but these."""

    async def gone() -> bool:
        return not asyncio.all_tasks() - tasks

    await until(gone)


def seqs(first: int, last: int) -> list[int]:
    """Return all numbers of a stretch of the feed."""
    return list(range(first, last + 1))


async def test_what_happens_is_seen_at_once_and_in_order(world: World) -> None:
    start = await position(world)
    async with feeds(world).follow(world.tenant_id) as feed:
        following = asyncio.create_task(take(feed, start, 3))
        execution = await world.claimed()
        await execution.finish()
        assert await following == [1, 2, 3]


async def test_the_poll_finds_what_no_wake_up_told(world: World) -> None:
    start = await position(world)
    deaf = feeds(world, poll_seconds=BRIEF, wakeups=LostWakeUps())
    async with deaf.follow(world.tenant_id) as feed:
        assert not await feed.after(start, BRIEF)
        for number in (1, 2, 3):
            await world.start()
            assert await take(feed, FeedCursor(start.epoch, number - 1), 1) == [number]


async def test_one_nudge_is_enough_for_however_many_events(
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


async def test_quiet_followers_hear_nothing_in_time(world: World) -> None:
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
        await world.claimed()
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


async def test_a_cancelled_follower_leaves_no_task_behind(world: World) -> None:
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


async def test_tenants_do_not_hear_each_other(world: World) -> None:
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
async def test_whoever_is_behind_catches_up_without_loss(
    world: World, monkeypatch: pytest.MonkeyPatch, buffer: int, batch: int
) -> None:
    monkeypatch.setattr(module, "_BUFFER", buffer)
    monkeypatch.setattr(module, "_BATCH", batch)
    start = await position(world)
    async with feeds(world).follow(world.tenant_id) as feed:
        fast = asyncio.create_task(take(feed, start, 12))
        for _ in range(6):
            await world.claimed()
        assert await fast == seqs(1, 12)
        for behind in range(12):
            missed = await take(feed, FeedCursor(start.epoch, behind), 12 - behind)
            assert missed == seqs(behind + 1, 12)
        assert len(await feed.after(start, SOON)) <= batch


async def test_whoever_keeps_up_costs_no_reading(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = await position(world)
    async with feeds(world).follow(world.tenant_id) as feed:
        await take_after_starts(world, feed, start, 5)

        async def read_nothing(*_: object, **__: object) -> None:
            raise AssertionError("The events are in the buffer.")

        monkeypatch.setattr(repository, "events_after", read_nothing)
        monkeypatch.setattr(repository, "position", read_nothing)
        for seen in range(5):
            assert await take(feed, FeedCursor(start.epoch, seen), 5 - seen) == seqs(seen + 1, 5)


async def take_after_starts(world: World, feed: TenantFeed, cursor: FeedCursor, count: int) -> None:
    """Start runs and wait until they were seen."""
    for _ in range(count):
        await world.start()
    assert await take(feed, cursor, count) == seqs(1, count)


# Cursors that are of no use


async def test_a_cursor_of_another_epoch_is_a_gap_wherever_it_points(world: World) -> None:
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


async def test_a_cursor_that_is_only_ahead_of_the_reader_is_none(world: World) -> None:
    start = await position(world)
    deaf = feeds(world, wakeups=LostWakeUps())
    async with deaf.follow(world.tenant_id) as feed:
        assert not await feed.after(start, BRIEF)
        await world.start()
        assert not await feed.after(await position(world), BRIEF)


async def test_after_a_restored_backup_followers_start_anew(world: World) -> None:
    start = await position(world)
    async with feeds(world, poll_seconds=BRIEF).follow(world.tenant_id) as feed:
        await take_after_starts(world, feed, start, 3)
        await world.write(
            "UPDATE opsrun.tenant_feed SET epoch = gen_random_uuid() WHERE tenant_id = :tenant_id"
        )
        for seq in (3, 2, 0):
            with pytest.raises(FeedGapError):
                await feed.after(replace(start, seq=seq), SOON)
        anew = await position(world)
        await world.start()
        assert await take(feed, anew, 1) == [4]
        with pytest.raises(FeedGapError):
            await feed.after(replace(start, seq=3), SOON)


# Trouble with the database


@pytest.mark.parametrize("blow", ["pg_terminate_backend", "pg_cancel_backend"])
async def test_followers_survive_what_happens_to_their_reader(
    world: World,
    servers: EmbeddedServers,
    logins: dict[Login, str],
    caplog: pytest.LogCaptureFixture,
    blow: str,
) -> None:
    start = await position(world)
    async with open_engine(logins[Login.API], pool_size=1) as engine:
        deaf = TenantFeeds(Transactions(engine), LostWakeUps(), poll_seconds=BRIEF)
        async with deaf.follow(world.tenant_id) as feed:
            following = asyncio.create_task(take(feed, start, 2))
            await strike_reader(world, servers.postgres_url, blow, caplog)
            await world.claimed()
            assert await following == [1, 2]


async def strike_reader(
    world: World, admin_url: str, blow: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Hold up the one who reads the feed, strike its backend, and let everybody go on."""
    held_up = text(
        "SELECT pid FROM pg_locks WHERE relation = 'opsrun.tenant_feed'::regclass AND NOT granted"
    )
    async with (
        open_engine(admin_url) as engine,
        engine.connect() as admin,
        world.resources[Login.MAINTENANCE].transactions.installation() as session,
    ):
        await session.execute(text("LOCK opsrun.tenant_feed IN ACCESS EXCLUSIVE MODE"))
        pids: list[int] = []

        async def is_held_up() -> bool:
            pids.extend(await session.scalars(held_up))
            return bool(pids)

        async def was_hit() -> bool:
            return any(record.name == module.__name__ for record in caplog.records)

        await until(is_held_up)
        await admin.execute(text(f"SELECT {blow}(:pid)"), {"pid": pids[0]})
        await until(was_hit)


async def test_without_a_database_followers_wait(world: World) -> None:
    start = await position(world)
    engine = create_async_engine("postgresql+asyncpg://nobody@127.0.0.1:1/nothing")
    lost = TenantFeeds(Transactions(engine), LostWakeUps(), poll_seconds=BRIEF)
    async with lost.follow(world.tenant_id) as feed:
        assert not await feed.after(start, BRIEF)


async def test_an_event_that_cannot_be_read_is_passed_over_and_leads_to_a_reset(
    world: World,
    servers: EmbeddedServers,
    logins: dict[Login, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    start = await position(world)
    wakeups = LostWakeUps()
    async with feeds(world, wakeups=wakeups).follow(world.tenant_id) as feed:
        assert not await feed.after(start, BRIEF)
        await world.claimed()
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
        # A follower that starts over goes on from there.
        restart = await position(world)
        following = asyncio.create_task(take(feed, restart, 1))
        await world.start()
        wakeups.nudged.set()
        assert await following == [restart.seq + 1]
    passed_over = [record for record in caplog.records if "skips events" in record.message]
    assert len(passed_over) == 1
