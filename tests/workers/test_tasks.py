"""From the outbox over a real stream to a worker: nothing that Redis loses is lost for long."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from taskiq.acks import AcknowledgeType
from taskiq.receiver import Receiver

from domain.lifecycle import RunStatus, StatusBucket
from domain.runs.maintenance import DispatchUnavailableError, Send
from domain.runs.models import Dispatch, StartedRun
from tests.domain.ledger import ledger_faults
from tests.valkey import Valkey
from tests.working import backup_set, ended, export, policy, run_maintenance, start_sync, until
from tests.world import TENANT_CONCURRENCY, World
from workers import broker as broker_module
from workers.broker import RunBroker
from workers.producers import PRODUCERS
from workers.tasks import register_tasks, sender


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[RunBroker]:
    broker = RunBroker(url, queue_name=f"test-{uuid4()}", block=0.05)
    await broker.startup()
    try:
        yield broker
    finally:
        await broker.shutdown()


@asynccontextmanager
async def working(broker: RunBroker) -> AsyncIterator[None]:
    """Receive as `opsrun worker` does."""
    receiver = Receiver(
        broker, ack_type=AcknowledgeType.WHEN_RECEIVED, max_async_tasks=2, run_startup=False
    )
    stop = asyncio.Event()
    listening = asyncio.create_task(receiver.listen(stop))
    try:
        yield
        assert not listening.done(), "the receiver ended"
    finally:
        stop.set()
        await listening


def only_own(world: World, send: Send) -> Send:
    """Leave out what other tests left in the outbox."""

    async def send_own(dispatch: Dispatch) -> None:
        if dispatch.tenant_id == world.tenant_id:
            await send(dispatch)

    return send_own


async def relay(world: World, broker: RunBroker) -> None:
    send = only_own(world, sender(broker))
    while await run_maintenance(world).relay(send, tenant_concurrency=TENANT_CONCURRENCY):
        pass


async def wait_for_end(world: World, started: StartedRun) -> None:
    async def is_over() -> bool:
        return (await ended(world, started)).is_terminal

    await until(is_over)


async def exported_sync(world: World) -> StartedRun:
    export(world, policy("a"), policy("b"))
    return await start_sync(world)


async def test_a_started_run_comes_to_its_end(world: World, redis_url: str) -> None:
    async with opened(redis_url) as broker:
        register_tasks(broker, PRODUCERS, world.runner)
        started = await exported_sync(world)
        async with working(broker):
            await relay(world, broker)
            await wait_for_end(world, started)
        run = await ended(world, started)
        assert (run.status_bucket, run.counts.succeeded) == (StatusBucket.SUCCEEDED, 2)
        assert await ledger_faults(world) == []
        async with Redis.from_url(redis_url) as redis:
            assert await redis.xlen(broker.queue_name) == 0


async def test_what_redis_forgets_is_ordered_anew(world: World, valkey: Valkey) -> None:
    async with opened(valkey.url) as broker:
        register_tasks(broker, PRODUCERS, world.runner)
        started = await exported_sync(world)
        await relay(world, broker)
        async with Redis.from_url(valkey.url) as redis:
            assert await redis.xlen(broker.queue_name) == 1
            await redis.flushall()
        async with working(broker):
            assert await run_maintenance(world).redispatch(stale=timedelta(0)) >= 1
            await relay(world, broker)
            await wait_for_end(world, started)
        assert (await ended(world, started)).status_bucket is StatusBucket.SUCCEEDED


async def test_a_message_that_was_sent_twice_runs_once(world: World, redis_url: str) -> None:
    async with opened(redis_url) as broker:
        register_tasks(broker, PRODUCERS, world.runner)
        started, later = await exported_sync(world), await world.start()
        await relay(world, broker)
        for _ in range(3):
            await run_maintenance(world).redispatch(stale=timedelta(0))
            await relay(world, broker)
        async with working(broker):
            await wait_for_end(world, started)
            await wait_for_end(world, later)
        run = await ended(world, started)
        assert (run.attempt, run.status_bucket) == (1, StatusBucket.SUCCEEDED)
        assert await ledger_faults(world) == []


async def test_a_type_that_this_worker_lacks_is_left_to_others(
    world: World, redis_url: str
) -> None:
    async with opened(redis_url) as broker:
        known = [producer for producer in PRODUCERS if producer.run_type == "inventory.sync"]
        register_tasks(broker, known, world.runner)
        target, access = await backup_set(world), await world.access()
        unknown = await world.cases.backups.start_adding(access, target.id, [("prod", "a")])
        started = await exported_sync(world)
        await relay(world, broker)
        async with working(broker):
            await wait_for_end(world, started)
        left = await ended(world, unknown)
        assert (left.status, left.attempt) == (RunStatus.PENDING, 0)
        assert await run_maintenance(world).redispatch(stale=timedelta(0)) >= 1


class TestSending:
    async def test_to_a_server_that_is_down_says_so(self, world: World, valkey: Valkey) -> None:
        dispatch = Dispatch(1, world.tenant_id, uuid4(), "inventory.sync")
        async with opened(valkey.url) as broker:
            await sender(broker)(dispatch)
            await valkey.kill()
            with pytest.raises(DispatchUnavailableError, match="Error"):
                await sender(broker)(dispatch)

    async def test_to_a_server_that_is_silent_says_so(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(broker_module, "COMMAND_TIMEOUT", 0.2)

        async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with opened(f"redis://127.0.0.1:{port}/0") as broker:
                with pytest.raises(DispatchUnavailableError, match="Timeout"):
                    await sender(broker)(Dispatch(1, world.tenant_id, uuid4(), "inventory.sync"))

    async def test_that_fails_keeps_the_order(self, world: World, valkey: Valkey) -> None:
        started = await exported_sync(world)
        async with opened(valkey.url) as broker:
            register_tasks(broker, PRODUCERS, world.runner)
            await valkey.kill()
            with pytest.raises(DispatchUnavailableError):
                await relay(world, broker)
            await valkey.start()
            async with working(broker):
                await relay(world, broker)
                await wait_for_end(world, started)
        assert (await ended(world, started)).status_bucket is StatusBucket.SUCCEEDED
