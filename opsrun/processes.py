"""The processes behind the API, workers and maintenance, each until it is told to stop."""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from taskiq.acks import AcknowledgeType
from taskiq.receiver import Receiver

from domain.runs.execution import RunClaimer
from opsrun.database import Login
from opsrun.resources import open_resources
from opsrun.settings import Settings
from workers.broker import RunBroker
from workers.maintenance import Maintenance
from workers.producers import PRODUCERS
from workers.runner import RunRunner
from workers.tasks import register_tasks, sender

logger = logging.getLogger(__name__)

# Seconds in which a stopping worker gives back what it could not finish; what it cannot
# give back, because the database is away, is left to the rescuer.
HAND_BACK_SECONDS = 5.0


async def work(settings: Settings) -> None:
    """Execute runs until SIGTERM or SIGINT; then finish or hand back what is in hand."""
    broker = RunBroker(settings.require_redis_url())
    async with open_resources(settings, Login.WORKER) as resources:
        owner = f"{socket.gethostname()}:{os.getpid()}"
        runner = RunRunner(
            RunClaimer(resources.transactions, resources.wakeups, owner=owner),
            PRODUCERS,
            lease=settings.lease,
            run_timeout=timedelta(seconds=settings.run_timeout_seconds),
        )
        register_tasks(broker, PRODUCERS, runner)
        receiver = Receiver(
            broker,
            max_async_tasks=settings.worker_concurrency,
            max_prefetch=0,
            ack_type=AcknowledgeType.WHEN_RECEIVED,
            run_startup=False,
            wait_tasks_timeout=settings.shutdown_grace_seconds,
        )
        await broker.startup()
        stop = _stop_event()
        logger.info("Executing runs, %d at a time", settings.worker_concurrency)
        try:
            await receiver.listen(stop)
        finally:
            await _hand_back(runner)
            await broker.shutdown()


async def _hand_back(runner: RunRunner) -> None:
    try:
        async with asyncio.timeout(HAND_BACK_SECONDS):
            await runner.hand_back()
    except TimeoutError:
        logger.warning("Runs that could not be handed back are left to the rescuer")


@asynccontextmanager
async def open_maintenance(settings: Settings) -> AsyncIterator[Maintenance]:
    """Open what maintenance needs."""
    broker = RunBroker(settings.require_redis_url())
    async with open_resources(settings, Login.MAINTENANCE) as resources:
        await broker.startup()
        try:
            yield Maintenance(
                resources.transactions,
                resources.wakeups,
                sender(broker),
                broker.age,
                lease=settings.lease,
                redispatch_after=timedelta(seconds=settings.redispatch_seconds),
                queue_timeout=timedelta(seconds=settings.queue_timeout_seconds),
                tenant_concurrency=settings.tenant_concurrency,
            )
        finally:
            await broker.shutdown()


async def maintain(settings: Settings) -> None:
    """Run the maintenance loops until SIGTERM or SIGINT."""
    async with open_maintenance(settings) as maintenance:
        stop = _stop_event()
        logger.info("Dispatching, rescuing and purging runs")
        loops = asyncio.create_task(maintenance.run())
        waiting = asyncio.create_task(stop.wait())
        await asyncio.wait([loops, waiting], return_when=asyncio.FIRST_COMPLETED)
        for task in (loops, waiting):
            task.cancel()
        await asyncio.gather(loops, waiting, return_exceptions=True)
        if not stop.is_set():
            loops.result()


def _stop_event() -> asyncio.Event:
    """From now on a signal to stop sets the event; until now it ended us at once."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
