"""Producers that a test scripts, and workers that execute their runs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import ClassVar

from opentelemetry.trace import Tracer

from domain.runs.execution import RunClaimer, RunExecution
from domain.runs.models import StartedRun
from tests.world import LEASE, World
from workers.metrics import RunMetrics
from workers.runner import RunRunner

MINUTE = timedelta(minutes=1)
SHORT = timedelta(seconds=1)


class Scripted:
    """A producer that does what the test passes in."""

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
    """A producer that records one item and then waits for `go_on`."""

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
    metrics: RunMetrics | None = None,
    tracer: Tracer | None = None,
    slots: asyncio.Semaphore | None = None,
) -> RunRunner:
    """Return a worker with this producer alone."""
    return RunRunner(
        claimer or world.claimer,
        {producer.run_type: producer},
        lease=lease,
        run_timeout=run_timeout,
        metrics=metrics,
        tracer=tracer,
        slots=slots,
    )


async def execute(runner: RunRunner, started: StartedRun) -> None:
    """Send the run's message to the worker, and wait until it is processed."""
    async with asyncio.timeout(10):
        await runner.execute(started.run.run_type, started.run.tenant_id, started.run.id)


@asynccontextmanager
async def executing(
    runner: RunRunner, started: StartedRun, producer: Blocked
) -> AsyncIterator[asyncio.Task[None]]:
    """Keep a worker in the middle of the run."""
    task = asyncio.create_task(execute(runner, started))
    async with asyncio.timeout(10):
        await producer.is_running.wait()
        yield task
        await task


async def lease_end(world: World, started: StartedRun) -> datetime:
    """Return the time at which the run's lease ends."""
    (row,) = await world.rows(
        "SELECT lease_expires_at FROM opsrun.operation_run"
        " WHERE tenant_id = :tenant_id AND id = :run_id",
        run_id=started.run.id,
    )
    moment: datetime = row.lease_expires_at
    return moment
