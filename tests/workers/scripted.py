"""Producers that do what a test says, and the workers that run them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import ClassVar

from domain.runs.execution import RunClaimer, RunExecution
from domain.runs.models import StartedRun
from tests.world import LEASE, World
from workers.runner import RunRunner

MINUTE = timedelta(minutes=1)
SHORT = timedelta(seconds=1)


class Scripted:
    """A producer that does what the test says."""

    run_type: ClassVar[str] = "inventory.sync"

    def __init__(self, work: Callable[[RunExecution], Awaitable[None]]) -> None:
        self._work = work
        self.runs = 0
        self.cancelled = asyncio.Event()

    async def run(self, execution: RunExecution) -> None:
        self.runs += 1
        try:
            await self._work(execution)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


class Blocked(Scripted):
    """A producer that records one item and then waits until it may go on."""

    def __init__(self) -> None:
        super().__init__(self._block)
        self.is_running, self.go_on = asyncio.Event(), asyncio.Event()

    async def _block(self, execution: RunExecution) -> None:
        await execution.set_total(1)
        async with execution.batch() as batch:
            batch.succeeded("first")
        self.is_running.set()
        await self.go_on.wait()


def runner_of(
    world: World,
    producer: Scripted,
    *,
    lease: timedelta = LEASE,
    run_timeout: timedelta = MINUTE,
    claimer: RunClaimer | None = None,
) -> RunRunner:
    """A worker that knows this producer alone."""
    return RunRunner(claimer or world.claimer, [producer], lease=lease, run_timeout=run_timeout)


async def execute(runner: RunRunner, started: StartedRun) -> None:
    """Give the worker the run's message, and wait until it is through with it."""
    async with asyncio.timeout(10):
        await runner.execute(started.run.run_type, started.run.tenant_id, started.run.id)


@asynccontextmanager
async def executing(
    runner: RunRunner, started: StartedRun, producer: Blocked
) -> AsyncIterator[asyncio.Task[None]]:
    """Let a worker be in the middle of the run."""
    working = asyncio.create_task(execute(runner, started))
    async with asyncio.timeout(10):
        await producer.is_running.wait()
        yield working
        await working


async def lease_end(world: World, started: StartedRun) -> datetime:
    """Tell until when the run's worker may be silent."""
    (row,) = await world.rows(
        "SELECT lease_expires_at FROM opsrun.operation_run"
        " WHERE tenant_id = :tenant_id AND id = :run_id",
        run_id=started.run.id,
    )
    moment: datetime = row.lease_expires_at
    return moment
