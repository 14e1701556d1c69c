"""One tenant's long queue and endless runs do not delay other tenants."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from domain.lifecycle import RunStatus
from domain.runs.execution import RunExecution
from tests.acts import queue_runs, until, wait_for_end
from tests.workers.brokers import new_broker, receiving
from tests.workers.scripted import Scripted, runner_of
from tests.workers.test_maintenance import running
from tests.world import World
from workers.sending import sender
from workers.tasks import register_task

QUEUE = 10_000
SLOTS, SHARE = 4, 3


@asynccontextmanager
async def worker_and_maintenance(world: World, url: str, producer: Scripted) -> AsyncIterator[None]:
    """Run maintenance, and a worker with four slots; a tenant gets three at most."""
    async with new_broker(url) as broker:
        register_task(broker, runner := runner_of(world, producer))
        maintenance = world.maintenance(
            sender(broker), broker.age, redispatch_after=timedelta(0), tenant_concurrency=SHARE
        )
        async with running(maintenance), receiving(broker, SLOTS):
            try:
                yield
            finally:
                await runner.hand_back()


async def running_count(world: World) -> int:
    rows = await world.rows(
        "SELECT 1 FROM opsrun.operation_run WHERE tenant_id = :tenant_id AND status = 'running'"
    )
    return len(rows)


async def outbox_count(world: World) -> int:
    rows = await world.rows("SELECT 1 FROM opsrun.outbox WHERE tenant_id = :tenant_id")
    return len(rows)


async def test_endless_runs_and_a_long_queue_of_one_tenant_leave_room_for_others(
    world: World, redis_url: str, tmp_path: Path
) -> None:
    over = asyncio.Event()

    async def work(execution: RunExecution) -> None:
        if execution.tenant_id == world.tenant_id:
            await over.wait()

    await queue_runs(world, QUEUE)
    async with worker_and_maintenance(world, redis_url, Scripted(work)):

        async def has_its_share() -> bool:
            return await running_count(world) == SHARE

        await until(has_its_share)
        other = await World.create(world.resources, tmp_path)
        for _ in range(3):
            run = await wait_for_end(other, (await other.start()).run.id)
            assert run.status is RunStatus.COMPLETED
        assert await running_count(world) == SHARE
        assert await outbox_count(world) == QUEUE - SHARE
        # A run that starts while the worker stops would otherwise last until its timeout.
        over.set()


async def test_a_long_queue_is_worked_off_without_a_new_start(world: World, redis_url: str) -> None:
    produced = asyncio.Event()

    async def work(_: RunExecution) -> None:
        if producer.runs == 50:
            produced.set()

    producer = Scripted(work)
    await queue_runs(world, QUEUE)
    async with worker_and_maintenance(world, redis_url, producer), asyncio.timeout(10):
        await produced.wait()
