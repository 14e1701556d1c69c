"""However long one tenant's queue is, and however long its runs take: others are served at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from domain.lifecycle import RunStatus
from domain.runs.execution import RunExecution
from domain.runs.models import StartedRun
from opsrun.postgres.engines import Login
from tests.workers.scripted import Scripted, runner_of
from tests.workers.test_broker import receiving, started
from tests.workers.test_maintenance import running
from tests.working import ended, queue_runs, until
from tests.world import LEASE, World
from workers.broker import RunBroker
from workers.maintenance import Maintenance
from workers.tasks import register_tasks, sender

QUEUE = 10_000
SLOTS, SHARE = 4, 3


@asynccontextmanager
async def working(world: World, url: str, producer: Scripted) -> AsyncIterator[None]:
    """One worker of four slots, of which a tenant may have three, and maintenance."""
    async with started(RunBroker(url, queue_name=f"test-{uuid4()}", block=0.05)) as broker:
        register_tasks(broker, [producer], runner := runner_of(world, producer))
        keeper = world.resources[Login.MAINTENANCE]
        maintenance = Maintenance(
            keeper.transactions,
            keeper.wakeups,
            sender(broker),
            broker.age,
            lease=LEASE,
            redispatch_after=timedelta(0),
            queue_timeout=timedelta(days=1),
            tenant_concurrency=SHARE,
        )
        async with running(maintenance), receiving(broker, SLOTS):
            try:
                yield
            finally:
                await runner.hand_back()


async def held(world: World) -> int:
    rows = await world.rows(
        "SELECT 1 FROM opsrun.operation_run WHERE tenant_id = :tenant_id AND status = 'running'"
    )
    return len(rows)


async def waiting(world: World) -> int:
    rows = await world.rows("SELECT 1 FROM opsrun.outbox WHERE tenant_id = :tenant_id")
    return len(rows)


async def served(world: World) -> StartedRun:
    """Start a run and wait for its end."""
    run = await world.start()

    async def is_over() -> bool:
        return (await ended(world, run)).is_terminal

    await until(is_over)
    return run


async def test_endless_runs_and_a_long_queue_of_one_tenant_leave_room_for_others(
    world: World, redis_url: str, tmp_path: Path
) -> None:
    over = asyncio.Event()

    async def work(execution: RunExecution) -> None:
        if execution.tenant_id == world.tenant_id:
            await over.wait()

    await queue_runs(world, QUEUE)
    async with working(world, redis_url, Scripted(work)):

        async def has_its_share() -> bool:
            return await held(world) == SHARE

        await until(has_its_share)
        other = await World.create(world.resources, tmp_path)
        for _ in range(3):
            run = await ended(other, await served(other))
            assert run.status is RunStatus.COMPLETED
        assert await held(world) == SHARE
        assert await waiting(world) == QUEUE - SHARE
        # A run that starts while the worker stops would otherwise last until its timeout.
        over.set()


async def test_a_long_queue_goes_on_by_itself(world: World, redis_url: str) -> None:
    produced = asyncio.Event()

    async def work(_: RunExecution) -> None:
        if producer.runs == 50:
            produced.set()

    producer = Scripted(work)
    await queue_runs(world, QUEUE)
    async with working(world, redis_url, producer), asyncio.timeout(10):
        await produced.wait()
