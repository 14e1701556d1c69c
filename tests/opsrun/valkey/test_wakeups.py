import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest
import uvloop
from redis.asyncio import Redis

from domain.wakeups import WakeUps
from opsrun.valkey import wakeups as wakeups_module
from opsrun.valkey.wakeups import PATIENCE, RedisWakeUps
from tests.valkey import Valkey

SOON = 10.0


@pytest.fixture
def topic() -> str:
    return str(uuid4())


@pytest.fixture
async def wakeups(redis_url: str) -> AsyncIterator[WakeUps]:
    async with RedisWakeUps(redis_url) as wakeups:
        yield wakeups


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(SOON):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.01)


async def listeners(redis: Redis) -> int:
    return len(await redis.client_list("pubsub"))


class TestNudges:
    async def test_a_nudge_wakes_another_process(
        self, wakeups: WakeUps, redis_url: str, topic: str
    ) -> None:
        async with RedisWakeUps(redis_url) as elsewhere, wakeups.subscribe(topic) as waiter:
            waiting = asyncio.create_task(waiter.wait(SOON))
            elsewhere.nudge(topic)
            assert await waiting

    async def test_a_fresh_waiter_has_no_nudge(self, wakeups: WakeUps, topic: str) -> None:
        async with wakeups.subscribe(topic) as other:
            wakeups.nudge(topic)
            assert await other.wait(SOON)
            async with wakeups.subscribe(topic) as waiter:
                assert not await waiter.wait(0.05)

    async def test_nudges_between_two_waits_become_one(self, wakeups: WakeUps, topic: str) -> None:
        async with wakeups.subscribe(topic) as waiter, wakeups.subscribe(topic + "0") as last:
            for name in (topic, topic, topic, topic + "0"):
                wakeups.nudge(name)
            assert await last.wait(SOON)
            assert await waiter.wait(0)
            assert not await waiter.wait(0)

    async def test_other_topics_are_not_woken(self, wakeups: WakeUps, topic: str) -> None:
        async with wakeups.subscribe(topic) as waiter, wakeups.subscribe(topic + "0") as other:
            wakeups.nudge(topic + "0")
            assert await other.wait(SOON)
            assert not await waiter.wait(0)

    async def test_all_waiters_of_a_topic_are_woken(self, wakeups: WakeUps, topic: str) -> None:
        async with wakeups.subscribe(topic) as first, wakeups.subscribe(topic) as second:
            wakeups.nudge(topic)
            assert await first.wait(SOON)
            assert await second.wait(SOON)


class TestSubscriptions:
    async def test_a_topic_lives_until_its_last_waiter_leaves(
        self, wakeups: WakeUps, redis_url: str, topic: str
    ) -> None:
        async def has_no_listeners() -> bool:
            channels = await redis.pubsub_channels(f"*{topic}")
            return not channels

        async with Redis.from_url(redis_url) as redis:
            async with wakeups.subscribe(topic) as waiter:
                async with wakeups.subscribe(topic):
                    pass
                wakeups.nudge(topic)
                assert await waiter.wait(SOON)
                assert not await has_no_listeners()
            await until(has_no_listeners)

    async def test_a_topic_left_and_joined_again_at_once_still_wakes(
        self, wakeups: WakeUps, topic: str
    ) -> None:
        for _ in range(100):
            async with wakeups.subscribe(topic) as waiter:
                wakeups.nudge(topic)
                assert await waiter.wait(SOON)

    async def test_many_topics_share_one_connection(self, valkey: Valkey) -> None:
        async with (
            Redis.from_url(valkey.url) as redis,
            RedisWakeUps(valkey.url) as wakeups,
            AsyncExitStack() as stack,
        ):
            subscriptions = [wakeups.subscribe(str(number)) for number in range(50)]
            waiters = await asyncio.gather(*map(stack.enter_async_context, subscriptions))
            assert await listeners(redis) == 1
            wakeups.nudge(*map(str, range(50)))
            assert all(await asyncio.gather(*(waiter.wait(SOON) for waiter in waiters)))

    async def test_closing_leaves_no_task_and_no_connection(
        self, valkey: Valkey, topic: str
    ) -> None:
        async def has_no_listeners() -> bool:
            return await listeners(redis) == 0

        tasks = asyncio.all_tasks()
        async with Redis.from_url(valkey.url) as redis:
            async with RedisWakeUps(valkey.url) as wakeups, wakeups.subscribe(topic):
                assert await listeners(redis) == 1
            assert asyncio.all_tasks() == tasks
            await until(has_no_listeners)


class TestOutage:
    async def test_waiters_are_nudged_after_a_restart_and_later(
        self, valkey: Valkey, topic: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO", wakeups_module.__name__)
        async with (
            RedisWakeUps(valkey.url) as wakeups,
            wakeups.subscribe(topic) as waiter,
            wakeups.subscribe(topic + "0") as other,
        ):
            await valkey.kill()
            await valkey.start()
            assert await waiter.wait(SOON)
            assert await other.wait(SOON)
            wakeups.nudge(topic)
            assert await waiter.wait(SOON)
            assert not await other.wait(0)
        assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]

    async def test_a_subscription_opens_without_redis_and_is_nudged_later(
        self, valkey: Valkey, topic: str
    ) -> None:
        await valkey.kill()
        async with RedisWakeUps(valkey.url) as wakeups, AsyncExitStack() as stack:
            async with asyncio.timeout(PATIENCE + 1):
                waiter = await stack.enter_async_context(wakeups.subscribe(topic))
            assert not await waiter.wait(0)
            await valkey.start()
            assert await waiter.wait(SOON)

    async def test_the_connection_to_a_silent_server_is_closed(
        self, valkey: Valkey, topic: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(wakeups_module, "CHECK_INTERVAL", 0.25)
        monkeypatch.setattr(wakeups_module, "PATIENCE", 0.5)
        async with (
            Redis.from_url(valkey.url) as redis,
            RedisWakeUps(valkey.url) as wakeups,
            wakeups.subscribe(topic) as waiter,
        ):
            assert not await waiter.wait(0.7), "a quiet server is not silent"
            await redis.client_pause(1000)
            assert await waiter.wait(SOON)

    async def test_a_quiet_server_is_kept(
        self, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(wakeups_module, "CHECK_INTERVAL", 0.02)

        async def be_checked() -> int:
            async with Redis.from_url(valkey.url) as redis, RedisWakeUps(valkey.url) as wakeups:

                async def often() -> bool:
                    commands = await redis.info("commandstats")
                    return "cmdstat_del" in commands and commands["cmdstat_del"]["calls"] > 50

                await until(often)
                return wakeups.outages

        # On the event loop of `opsrun`, whose clock is coarser.
        assert await asyncio.to_thread(uvloop.run, be_checked()) == 0

    async def test_nudges_without_redis_cost_little_and_raise_nothing(
        self, valkey: Valkey, topic: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        wakeups = RedisWakeUps(valkey.url)

        async def is_sent() -> bool:
            return wakeups._sending is None

        await valkey.kill()
        async with asyncio.timeout(4 * PATIENCE), wakeups:
            for _ in range(3):
                wakeups.nudge(topic)
                await until(is_sent)
        sent = [record for record in caplog.records if "Cannot send" in record.message]
        assert len(sent) == 1

    async def test_closing_does_not_wait_for_a_silent_server(self, topic: str) -> None:
        async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with asyncio.timeout(PATIENCE + 0.5):
                async with RedisWakeUps(f"redis://127.0.0.1:{port}/0") as wakeups:
                    wakeups.nudge(topic)
