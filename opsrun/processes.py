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
from opsrun.api.health import Check, file_checks, open_database_check
from opsrun.api.monitoring import Monitor, serve_monitoring
from opsrun.postgres.engines import Login
from opsrun.resources import open_resources
from opsrun.settings import Settings
from opsrun.telemetry.tracing import open_tracer
from workers.broker import RunBroker
from workers.maintenance import Maintenance
from workers.metrics import MaintenanceMetrics, RunMetrics, show_file_threads
from workers.producers import PRODUCERS
from workers.providers.file_threads import FILE_THREADS
from workers.runner import RunRunner
from workers.tasks import register_tasks, sender

logger = logging.getLogger(__name__)

# Seconds in which a stopping worker gives back what it could not finish; what it cannot
# give back, because the database is away, is left to the rescuer.
HAND_BACK_SECONDS = 5.0


async def work(settings: Settings) -> None:
    """Execute runs until SIGTERM or SIGINT; then finish or hand back what is in hand."""
    FILE_THREADS.seconds = settings.file_timeout_seconds
    broker = RunBroker(settings.require_redis_url())
    async with (
        open_tracer(settings, "worker") as tracer,
        open_resources(settings, Login.WORKER) as resources,
        open_database_check(settings) as database,
    ):
        monitor = Monitor(
            {
                "database": database,
                "queue": Check(broker.ping),
                "listener": Check(broker.require_listener),
                **file_checks(FILE_THREADS),
            },
            wakeups=resources.wakeups,
            queue=broker,
        )
        monitor.registry.register(resources.pool_wait)
        show_file_threads(monitor.registry, FILE_THREADS)
        owner = f"{socket.gethostname()}:{os.getpid()}"
        runner = RunRunner(
            RunClaimer(resources.transactions, resources.wakeups, owner=owner),
            PRODUCERS,
            lease=settings.lease,
            run_timeout=timedelta(seconds=settings.run_timeout_seconds),
            metrics=RunMetrics(monitor.registry),
            tracer=tracer,
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
        _set_by_signals(monitor.stopping)
        logger.info("Executing runs, %d at a time", settings.worker_concurrency)
        try:
            async with serve_monitoring(settings, monitor):
                await receiver.listen(monitor.stopping)
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
async def open_maintenance(settings: Settings) -> AsyncIterator[tuple[Maintenance, Monitor]]:
    """Open what maintenance needs, and what shows how it gets on."""
    FILE_THREADS.seconds = settings.file_timeout_seconds
    broker = RunBroker(settings.require_redis_url())
    async with (
        open_tracer(settings, "maintenance") as tracer,
        open_resources(settings, Login.MAINTENANCE) as resources,
        open_database_check(settings) as database,
    ):

        async def relay() -> None:
            maintenance.steps.require("relay")

        monitor = Monitor(
            {
                "database": database,
                "queue": Check(broker.ping),
                "relay": Check(relay),
                **file_checks(FILE_THREADS),
            },
            wakeups=resources.wakeups,
        )
        monitor.registry.register(resources.pool_wait)
        show_file_threads(monitor.registry, FILE_THREADS)
        maintenance = Maintenance(
            resources.transactions,
            resources.wakeups,
            sender(broker, tracer),
            broker.age,
            lease=settings.lease,
            redispatch_after=timedelta(seconds=settings.redispatch_seconds),
            queue_timeout=timedelta(seconds=settings.queue_timeout_seconds),
            tenant_concurrency=settings.tenant_concurrency,
            metrics=MaintenanceMetrics(monitor.registry),
        )
        await broker.startup()
        try:
            yield maintenance, monitor
        finally:
            await broker.shutdown()


async def maintain(settings: Settings) -> None:
    """Run the maintenance loops until SIGTERM or SIGINT."""
    async with (
        open_maintenance(settings) as (maintenance, monitor),
        serve_monitoring(settings, monitor),
    ):
        stop = monitor.stopping
        _set_by_signals(stop)
        logger.info("Dispatching, rescuing and purging runs")
        loops = asyncio.create_task(maintenance.run())
        waiting = asyncio.create_task(stop.wait())
        await asyncio.wait([loops, waiting], return_when=asyncio.FIRST_COMPLETED)
        for task in (loops, waiting):
            task.cancel()
        await asyncio.gather(loops, waiting, return_exceptions=True)
        if not stop.is_set():
            loops.result()


def _set_by_signals(stop: asyncio.Event) -> None:
    """From now on a signal to stop sets the event; until now it ended us at once."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
