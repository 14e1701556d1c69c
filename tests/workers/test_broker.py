"""The broker delivers every message, and survives outages of Redis."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError
from taskiq import AckableMessage, SendTaskError
from taskiq.message import BrokerMessage

from tests.acts import until
from tests.valkey import Valkey
from tests.workers.brokers import open_broker, receiving, silent_server
from workers import broker as broker_module
from workers.broker import RunBroker

NOTHING = timedelta(0)


@pytest.fixture
def queue_name() -> str:
    return f"test-{uuid4()}"


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
async def broker(redis_url: str, queue_name: str) -> AsyncIterator[RunBroker]:
    async with open_broker(RunBroker(redis_url, queue_name=queue_name)) as broker:
        yield broker


@asynccontextmanager
async def listening(broker: RunBroker) -> AsyncIterator[asyncio.Queue[AckableMessage]]:
    inbox: asyncio.Queue[AckableMessage] = asyncio.Queue()

    async def fill() -> None:
        async for message in broker.listen():
            inbox.put_nowait(message)

    listener = asyncio.create_task(fill())
    try:
        yield inbox
        assert not listener.done(), "the listener ended"
    finally:
        listener.cancel()
        await asyncio.wait([listener])


async def receive(inbox: asyncio.Queue[AckableMessage]) -> AckableMessage:
    async with asyncio.timeout(10):
        return await inbox.get()


async def calls_of(redis: Redis, command: str) -> int:
    stats = await redis.info("commandstats")
    return int(stats.get(f"cmdstat_{command}", {"calls": 0})["calls"])


def message(data: bytes = b"hint") -> BrokerMessage:
    return BrokerMessage(task_id="1", task_name="look", message=data, labels={})


async def abandon(redis: Redis, queue_name: str, consumer: str = "dead") -> bytes | str:
    """Add an entry, and read it as a consumer that never acknowledges it."""
    entry_id = await redis.xadd(queue_name, {"data": "abandoned"})
    await redis.xgroup_create(queue_name, queue_name, id="0")
    await redis.xreadgroup(queue_name, consumer, {queue_name: ">"})
    return entry_id


async def consumers(redis: Redis, queue_name: str) -> set[str]:
    return {c["name"].decode() for c in await redis.xinfo_consumers(queue_name, queue_name)}


async def age_in_minutes(broker: RunBroker) -> int:
    age = await broker.age()
    assert age is not None
    return round(age / timedelta(minutes=1))


class TestDelivery:
    async def test_a_message_sent_before_any_group_exists_arrives(self, broker: RunBroker) -> None:
        await broker.kick(message(b"early"))
        async with listening(broker) as inbox:
            assert (await receive(inbox)).data == b"early"

    async def test_an_existing_group_is_used(
        self, broker: RunBroker, redis: Redis, queue_name: str
    ) -> None:
        await redis.xgroup_create(queue_name, queue_name, id="0", mkstream=True)
        async with listening(broker) as inbox:
            await broker.kick(message(b"hint"))
            assert (await receive(inbox)).data == b"hint"

    async def test_two_workers_share_the_messages(
        self, broker: RunBroker, redis_url: str, queue_name: str
    ) -> None:
        sent = {str(number).encode() for number in range(10)}
        async with (
            open_broker(RunBroker(redis_url, queue_name=queue_name)) as other,
            listening(broker) as first,
            listening(other) as second,
        ):
            for data in sent:
                await broker.kick(message(data))

            async def all_are_here() -> bool:
                return first.qsize() + second.qsize() >= len(sent)

            await until(all_are_here)
            inboxes = (first, second)
            received = [inbox.get_nowait().data for inbox in inboxes for _ in range(inbox.qsize())]
        assert sorted(received) == sorted(sent)

    async def test_an_acknowledged_entry_leaves_the_stream(
        self, broker: RunBroker, redis: Redis, queue_name: str
    ) -> None:
        async with listening(broker) as inbox:
            await broker.kick(message())
            received = await receive(inbox)
            assert await redis.xlen(queue_name) == 1
            await received.ack()  # type: ignore[misc]
        assert await redis.xlen(queue_name) == 0
        assert (await redis.xpending(queue_name, queue_name))["pending"] == 0

    async def test_an_entry_without_a_message_is_dropped(
        self,
        broker: RunBroker,
        redis: Redis,
        queue_name: str,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        await redis.xadd(queue_name, {"something": "else"}, id="1-1")
        await broker.kick(message(b"good"))
        async with listening(broker) as inbox:
            received = await receive(inbox)
        assert received.data == b"good"
        assert await redis.xlen(queue_name) == 1
        assert "1-1" in caplog.text

    async def test_messages_travel_as_json(
        self, broker: RunBroker, redis: Redis, queue_name: str
    ) -> None:
        task = broker.register_task(_nothing, "look")
        await task.kiq("tenant", "run")
        entries: Any = await redis.xrange(queue_name)
        ((_, fields),) = entries
        assert json.loads(fields[b"data"])["args"] == ["tenant", "run"]


async def _nothing(tenant_id: str, run_id: str) -> None: ...


class TestReclaim:
    async def test_an_abandoned_entry_arrives_without_a_new_message(
        self, redis_url: str, redis: Redis, queue_name: str
    ) -> None:
        await abandon(redis, queue_name)
        broker = RunBroker(
            redis_url, queue_name=queue_name, idle_timeout=0.2, reclaim_interval=0.1, block=0.05
        )
        async with open_broker(broker), listening(broker) as inbox:
            assert (await receive(inbox)).data == b"abandoned"

    async def test_a_recently_read_entry_is_left_alone(
        self, valkey: Valkey, queue_name: str
    ) -> None:
        broker = RunBroker(valkey.url, queue_name=queue_name, reclaim_interval=0.05, block=0.01)
        async with Redis.from_url(valkey.url) as redis:
            await abandon(redis, queue_name)

            async def searched_three_times() -> bool:
                return await calls_of(redis, "xautoclaim") >= 3

            async with open_broker(broker), listening(broker) as inbox:
                await until(searched_three_times)
                assert inbox.empty()

    async def test_a_deleted_abandoned_entry_is_ignored(
        self, redis_url: str, redis: Redis, queue_name: str
    ) -> None:
        entry_id = await abandon(redis, queue_name)
        await redis.xdel(queue_name, entry_id)
        broker = RunBroker(redis_url, queue_name=queue_name, idle_timeout=0)
        async with open_broker(broker), listening(broker) as inbox:
            await broker.kick(message(b"new"))
            assert (await receive(inbox)).data == b"new"

    async def test_only_idle_consumers_without_entries_are_removed(
        self, redis_url: str, redis: Redis, queue_name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(broker_module, "CONSUMER_LIFETIME", 0)
        await abandon(redis, queue_name, "owner")
        await redis.xgroup_createconsumer(queue_name, queue_name, "silent")
        broker = RunBroker(redis_url, queue_name=queue_name, reclaim_interval=0.05, block=0.01)

        async def silent_is_gone() -> bool:
            return "silent" not in await consumers(redis, queue_name)

        async with open_broker(broker), listening(broker):
            await until(silent_is_gone)
            assert "owner" in await consumers(redis, queue_name)


class TestAge:
    async def test_is_that_of_the_oldest_unread_message(
        self, broker: RunBroker, redis: Redis, queue_name: str
    ) -> None:
        assert await broker.age() == NOTHING
        seconds, _ = await redis.time()
        for minutes in (30, 20, 10):
            await redis.xadd(
                queue_name, {"data": "hint"}, id=f"{(seconds - minutes * 60) * 1000}-0"
            )
        assert await age_in_minutes(broker) == 30

        await redis.xgroup_create(queue_name, queue_name, id="0")
        assert await age_in_minutes(broker) == 30
        await redis.xreadgroup(queue_name, "a reader", {queue_name: ">"}, count=2)
        assert await age_in_minutes(broker) == 10
        await redis.xreadgroup(queue_name, "a reader", {queue_name: ">"})
        assert await broker.age() == NOTHING

    async def test_is_unknown_while_redis_is_down(self, valkey: Valkey) -> None:
        async with open_broker(RunBroker(valkey.url)) as broker:
            await valkey.kill()
            assert await broker.age() is None


class TestShutdown:
    async def test_leaves_the_group(self, broker: RunBroker, redis: Redis, queue_name: str) -> None:
        async with listening(broker) as inbox:
            await broker.kick(message())
            await (await receive(inbox)).ack()  # type: ignore[misc]
            assert await consumers(redis, queue_name) == {broker.consumer_name}
        await broker.shutdown()
        assert await consumers(redis, queue_name) == set()

    async def test_keeps_pending_entries(
        self, broker: RunBroker, redis: Redis, queue_name: str
    ) -> None:
        async with listening(broker) as inbox:
            await broker.kick(message())
            await receive(inbox)
        await broker.shutdown()
        assert (await redis.xpending(queue_name, queue_name))["pending"] == 1

    async def test_works_without_redis(self, valkey: Valkey) -> None:
        broker = RunBroker(valkey.url)
        await broker.startup()
        await broker.kick(message())
        await valkey.kill()
        await broker.shutdown()


class TestOutage:
    async def test_listening_can_start_before_redis(self, valkey: Valkey) -> None:
        await valkey.kill()
        async with open_broker(RunBroker(valkey.url)) as broker, listening(broker) as inbox:
            await valkey.start()
            await broker.kick(message(b"at last"))
            assert (await receive(inbox)).data == b"at last"

    async def test_listening_continues_after_a_restart(self, valkey: Valkey) -> None:
        async with open_broker(RunBroker(valkey.url)) as broker, listening(broker) as inbox:
            await broker.kick(message(b"before"))
            received = await receive(inbox)
            await valkey.kill()
            await received.ack()  # type: ignore[misc]
            await valkey.start()
            await broker.kick(message(b"after"))
            assert (await receive(inbox)).data == b"after"

    @pytest.mark.parametrize(
        "lose",
        [
            lambda redis: redis.flushall(),
            lambda redis: redis.delete("opsrun"),
            lambda redis: redis.xgroup_destroy("opsrun", "opsrun"),
        ],
        ids=["flushall", "delete", "destroy"],
    )
    async def test_a_lost_group_is_created_again(
        self, valkey: Valkey, lose: Callable[[Redis], Awaitable[Any]]
    ) -> None:
        async with (
            Redis.from_url(valkey.url) as redis,
            open_broker(RunBroker(valkey.url)) as broker,
            listening(broker) as inbox,
        ):
            await broker.kick(message(b"before"))
            await (await receive(inbox)).ack()  # type: ignore[misc]
            await lose(redis)
            await broker.kick(message(b"after"))
            assert (await receive(inbox)).data == b"after"

    async def test_an_outage_is_logged_once(
        self, valkey: Valkey, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO", broker_module.__name__)
        tries = asyncio.Semaphore(0)

        def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()
            tries.release()

        async with open_broker(RunBroker(valkey.url)) as broker, listening(broker) as inbox:
            await broker.kick(message())
            await receive(inbox)
            await valkey.kill()
            async with await asyncio.start_server(refuse, "127.0.0.1", valkey.port):
                for _ in range(3):
                    await tries.acquire()
            await valkey.start()
            await broker.kick(message())
            await receive(inbox)
        records = [r for r in caplog.records if r.name == broker_module.__name__]
        assert [r.levelname for r in records] == ["WARNING", "INFO"]
        assert "pw" not in caplog.text

    async def test_kick_raises_soon_when_redis_is_down(self, valkey: Valkey) -> None:
        async with open_broker(RunBroker(valkey.url)) as broker:
            await valkey.kill()
            async with asyncio.timeout(broker_module.COMMAND_TIMEOUT):
                with pytest.raises(RedisError):
                    await broker.kick(message())
                with pytest.raises(SendTaskError):
                    await broker.register_task(_nothing, "look").kiq("tenant", "run")

    async def test_kick_raises_when_redis_is_silent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(broker_module, "COMMAND_TIMEOUT", 0.2)
        connected = asyncio.Event()
        async with silent_server(connected) as url, open_broker(RunBroker(url)) as broker:
            with pytest.raises((TimeoutError, RedisError)):
                await broker.kick(message())
        assert connected.is_set()


class TestReceiver:
    async def test_a_busy_worker_receives_no_more_than_it_can_run(
        self, broker: RunBroker, redis: Redis, queue_name: str
    ) -> None:
        started_runs: asyncio.Queue[str] = asyncio.Queue()
        go_on = asyncio.Event()

        async def look(run_id: str) -> None:
            started_runs.put_nowait(run_id)
            await go_on.wait()

        task = broker.register_task(look, "look")
        for run_id in "abcd":
            await task.kiq(run_id)

        async with receiving(broker, max_async_tasks=2):
            assert {await started_runs.get(), await started_runs.get()} == {"a", "b"}
            assert await redis.xlen(queue_name) == 2
            assert (await redis.xpending(queue_name, queue_name))["pending"] == 0
            go_on.set()
            assert {await started_runs.get(), await started_runs.get()} == {"c", "d"}

    async def test_a_long_task_runs_once(self, valkey: Valkey) -> None:
        broker = RunBroker(valkey.url, idle_timeout=0.01, reclaim_interval=0.02, block=0.01)
        runs: list[str] = []
        go_on = asyncio.Event()

        async def look(run_id: str) -> None:
            runs.append(run_id)
            await go_on.wait()

        async with (
            Redis.from_url(valkey.url) as redis,
            open_broker(broker),
            receiving(broker, max_async_tasks=2),
        ):
            await broker.register_task(look, "look").kiq("a")

            async def searched_three_more_times() -> bool:
                return bool(runs) and await calls_of(redis, "xautoclaim") >= before + 3

            before = await calls_of(redis, "xautoclaim")
            await until(searched_three_more_times)
            assert runs == ["a"]
            go_on.set()

    async def test_an_outage_leaves_running_tasks_alone(self, valkey: Valkey) -> None:
        is_running, go_on, is_done = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def look() -> None:
            is_running.set()
            await go_on.wait()
            is_done.set()

        async with (
            open_broker(RunBroker(valkey.url)) as broker,
            receiving(broker, max_async_tasks=2),
            asyncio.timeout(10),
        ):
            task = broker.register_task(look, "look")
            await task.kiq()
            await is_running.wait()
            await valkey.kill()
            go_on.set()
            await is_done.wait()
            is_done.clear()
            await valkey.start()
            await task.kiq()
            await is_done.wait()

    async def test_invalid_bytes_are_skipped(
        self, broker: RunBroker, redis: Redis, queue_name: str
    ) -> None:
        looked = asyncio.Event()

        async def look() -> None:
            looked.set()

        task = broker.register_task(look, "look")
        await broker.kick(message(b"\xff\x00"))
        await task.kiq()
        async with receiving(broker, max_async_tasks=1), asyncio.timeout(10):
            await looked.wait()
        assert await redis.xlen(queue_name) == 0
