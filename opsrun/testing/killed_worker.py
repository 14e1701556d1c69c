"""A worker process that kills itself at the end of a batch.

python -m opsrun.testing.killed_worker TENANT_ID RUN_ID RUN_TYPE BATCH
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

from domain.runs.execution import Batch, RunClaimer, RunExecution
from opsrun.postgres.engines import Login
from opsrun.resources import open_resources
from opsrun.settings import Settings
from workers.producers import load_producers
from workers.producers.producer import Producer
from workers.runner import RunRunner


class DyingExecution(RunExecution):
    """An attempt whose worker dies right before the commit of its n-th batch: `die` ends it."""

    def __init__(self, execution: RunExecution, batch: int, die: Callable[[], None]) -> None:
        vars(self).update(vars(execution))
        self._batches_left = batch
        self._die = die

    @asynccontextmanager
    async def batch(self) -> AsyncIterator[Batch]:
        async with super().batch() as batch:
            yield batch
            self._batches_left -= 1
            if self._batches_left == 0:
                self._die()


def _kill_process() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class _Killed:
    """A producer whose process is killed at the end of a batch."""

    def __init__(self, producer: Producer, batch: int) -> None:
        self._producer = producer
        self._batch = batch

    async def run(self, execution: RunExecution) -> None:
        await self._producer.run(DyingExecution(execution, self._batch, _kill_process))


async def main(tenant_id: UUID, run_id: UUID, run_type: str, batch: int) -> None:
    """Make an attempt at the run; return only if it has fewer batches."""
    settings = Settings()
    producer = _Killed(load_producers()[run_type], batch)
    async with open_resources(settings, Login.WORKER) as resources:
        claimer = RunClaimer(resources.transactions, resources.wakeups, owner=str(os.getpid()))
        timeout = timedelta(seconds=settings.run_timeout_seconds)
        runner = RunRunner(claimer, {run_type: producer}, lease=settings.lease, run_timeout=timeout)
        await runner.execute(run_type, tenant_id, run_id)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    tenant, run, name, number = sys.argv[1:]
    asyncio.run(main(UUID(tenant), UUID(run), name, int(number)))
