"""Runs travel from the outbox through Redis to a worker, even if Redis loses messages."""

from datetime import timedelta
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from domain.lifecycle import RunStatus, StatusBucket
from domain.runs.dispatching import DispatchUnavailableError
from domain.runs.models import Dispatch, StartedRun
from tests.acts import (
    add_as,
    backup_set,
    export,
    policy,
    relay,
    run_maintenance,
    start_sync,
    until,
    wait_for_end,
)
from tests.ledger import ledger_faults, reload
from tests.valkey import Valkey
from tests.workers.brokers import new_broker, receiving, silent_server
from tests.workers.scripted import MINUTE
from tests.workers.test_fairness import outbox_count
from tests.world import LEASE, World
from workers import broker as broker_module
from workers.producers import load_producers
from workers.runner import RunRunner
from workers.sending import sender
from workers.tasks import register_task


async def start_export_sync(world: World) -> StartedRun:
    export(world, policy("a"), policy("b"))
    return await start_sync(world)


async def test_a_started_run_ends(world: World, redis_url: str) -> None:
    async with new_broker(redis_url) as broker:
        register_task(broker, world.runner)
        started = await start_export_sync(world)
        async with receiving(broker, 2):
            await relay(world, sender(broker))
            await wait_for_end(world, started.run.id)
        run = await reload(world, started.run.id)
        assert (run.status_bucket, run.counts.succeeded) == (StatusBucket.SUCCEEDED, 2)
        assert await ledger_faults(world) == []
        async with Redis.from_url(redis_url) as redis:
            assert await redis.xlen(broker.queue_name) == 0


async def test_a_message_that_redis_lost_is_dispatched_again(world: World, valkey: Valkey) -> None:
    async with new_broker(valkey.url) as broker:
        register_task(broker, world.runner)
        started = await start_export_sync(world)
        await relay(world, sender(broker))
        async with Redis.from_url(valkey.url) as redis:
            assert await redis.xlen(broker.queue_name) == 1
            await redis.flushall()
        async with receiving(broker, 2):
            assert await run_maintenance(world).redispatch(stale=timedelta(0)) >= 1
            await relay(world, sender(broker))
            await wait_for_end(world, started.run.id)
        assert (await reload(world, started.run.id)).status_bucket is StatusBucket.SUCCEEDED


async def test_a_message_that_was_sent_twice_runs_once(world: World, redis_url: str) -> None:
    async with new_broker(redis_url) as broker:
        register_task(broker, world.runner)
        started, later = await start_export_sync(world), await world.start()
        await relay(world, sender(broker))
        for _ in range(3):
            await run_maintenance(world).redispatch(stale=timedelta(0))
            await relay(world, sender(broker))
        async with receiving(broker, 2):
            await wait_for_end(world, started.run.id)
            await wait_for_end(world, later.run.id)
        run = await reload(world, started.run.id)
        assert (run.attempt, run.status_bucket) == (1, StatusBucket.SUCCEEDED)
        assert await ledger_faults(world) == []


async def test_a_run_of_an_unknown_type_is_given_to_another_worker(
    world: World, redis_url: str
) -> None:
    async with new_broker(redis_url) as broker:
        only_sync = {"inventory.sync": load_producers()["inventory.sync"]}
        worker = RunRunner(world.claimer, only_sync, lease=LEASE, run_timeout=MINUTE)
        register_task(broker, worker)
        target, access = await backup_set(world), await world.access()
        unknown = await add_as(world, access, target.id, [("prod", "a")])
        await relay(world, sender(broker))

        async def is_given_back() -> bool:
            return await outbox_count(world) == 1

        async with receiving(broker, 2):
            await until(is_given_back)
        left = await reload(world, unknown.run.id)
        assert (left.status, left.attempt, left.version) == (RunStatus.PENDING, 0, 1)

    async with new_broker(redis_url) as broker:
        register_task(broker, world.runner)
        async with receiving(broker, 2):

            async def is_sent_again() -> bool:
                return unknown.run.id in await relay(world, sender(broker))

            await until(is_sent_again)
            ended = await wait_for_end(world, unknown.run.id)
        assert (ended.attempt, ended.is_terminal) == (1, True)
        assert await ledger_faults(world) == []


class TestSending:
    async def test_to_a_server_that_is_down_raises(self, world: World, valkey: Valkey) -> None:
        dispatch = Dispatch(1, world.tenant_id, uuid4(), "inventory.sync")
        async with new_broker(valkey.url) as broker:
            await sender(broker)([dispatch])
            await valkey.kill()
            with pytest.raises(DispatchUnavailableError, match="Error"):
                await sender(broker)([dispatch])

    async def test_to_a_server_that_is_silent_raises(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(broker_module, "COMMAND_TIMEOUT", 0.2)
        dispatch = Dispatch(1, world.tenant_id, uuid4(), "inventory.sync")
        async with silent_server() as url, new_broker(url) as broker:
            with pytest.raises(DispatchUnavailableError, match="Timeout"):
                await sender(broker)([dispatch])

    async def test_that_fails_keeps_the_outbox_entry(self, world: World, valkey: Valkey) -> None:
        started = await start_export_sync(world)
        async with new_broker(valkey.url) as broker:
            register_task(broker, world.runner)
            await valkey.kill()
            with pytest.raises(DispatchUnavailableError):
                await relay(world, sender(broker))
            await valkey.start()
            async with receiving(broker, 2):
                await relay(world, sender(broker))
                await wait_for_end(world, started.run.id)
        assert (await reload(world, started.run.id)).status_bucket is StatusBucket.SUCCEEDED
