"""The worker process and the maintenance process; each runs until SIGTERM or SIGINT."""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta

from opentelemetry.trace import Tracer
from taskiq.acks import AcknowledgeType
from taskiq.receiver import Receiver

from domain.runs.execution import RunClaimer
from domain.runs.run_types import run_types
from domain.runs.serving import ServedRunTypes
from opsrun.api.health import Check, file_checks, open_database_check
from opsrun.api.monitoring import Monitor, RedisUse, serve_monitoring
from opsrun.postgres.engines import Login
from opsrun.resources import Resources, open_resources
from opsrun.settings import Settings
from opsrun.telemetry.tracing import open_tracer
from workers.broker import RunBroker
from workers.maintenance import Maintenance
from workers.metrics import MaintenanceMetrics, RunMetrics, show_file_threads
from workers.producers import load_producers
from workers.providers.file_threads import FILE_THREADS
from workers.providers.graph.clouds import Endpoints
from workers.providers.graph.connections import GRAPH
from workers.runner import RunRunner
from workers.sending import sender
from workers.serving import keep_serving
from workers.tasks import register_task

logger = logging.getLogger(__name__)

# Seconds in which a stopping worker hands back its unfinished runs. If the database is unavailable,
# maintenance rescues them later.
HAND_BACK_SECONDS = 5.0


@asynccontextmanager
async def _open_process(
    settings: Settings,
    kind: str,
    broker: RunBroker,
    checks: Mapping[str, Check],
    **redis: RedisUse,
) -> AsyncIterator[tuple[Resources, Tracer, Monitor]]:
    """Open the resources that workers and maintenance share, then start the broker."""
    FILE_THREADS.seconds = settings.file_timeout_seconds
    GRAPH.configure(_emulator(settings), settings.graph_ca_file)
    async with (
        aclosing(GRAPH),
        open_tracer(settings, kind) as tracer,
        open_resources(settings, Login(f"opsrun_{kind}")) as resources,
        open_database_check(settings) as database,
    ):
        checks = {"database": database, "queue": Check(broker.ping), **checks}
        monitor = Monitor(
            {**checks, **file_checks(FILE_THREADS)}, wakeups=resources.wakeups, **redis
        )
        monitor.registry.register(resources.pool_wait)
        show_file_threads(monitor.registry, FILE_THREADS)
        await broker.startup()
        try:
            yield resources, tracer, monitor
        finally:
            await broker.shutdown()


def _emulator(settings: Settings) -> Endpoints | None:
    if settings.graph_url is None:
        return None
    graph = str(settings.graph_url).rstrip("/")
    authority = str(settings.graph_authority or graph).rstrip("/")
    return Endpoints(authority, graph)


async def work(settings: Settings) -> None:
    """Execute runs until SIGTERM or SIGINT, then finish or hand back the runs in progress."""
    producers = load_producers()
    broker = RunBroker(settings.require_redis_url())
    checks = {"listener": Check(broker.require_listener)}
    process = _open_process(settings, "worker", broker, checks, queue=broker)
    async with process as (resources, tracer, monitor):
        slots = asyncio.Semaphore(settings.worker_concurrency)
        owner = f"{socket.gethostname()}:{os.getpid()}"
        runner = RunRunner(
            RunClaimer(
                resources.transactions,
                resources.wakeups,
                owner=owner,
                send=sender(broker, tracer),
                share=settings.tenant_concurrency,
            ),
            producers,
            lease=settings.lease,
            run_timeout=timedelta(seconds=settings.run_timeout_seconds),
            slots=slots,
            metrics=RunMetrics(monitor.registry),
            tracer=tracer,
        )
        register_task(broker, runner)
        receiver = Receiver(
            broker,
            max_async_tasks=settings.worker_concurrency,
            max_prefetch=0,
            ack_type=AcknowledgeType.WHEN_RECEIVED,
            run_startup=False,
            wait_tasks_timeout=settings.shutdown_grace_seconds,
        )
        # Shared, so that a run can leave its slot while it waits.
        receiver.sem = slots
        _set_on_signal(monitor.stopping)
        logger.info("Executing runs, %d at a time", settings.worker_concurrency)
        served = ServedRunTypes(resources.transactions, resources.wakeups, producers)
        try:
            async with serve_monitoring(settings, monitor), keep_serving(served, monitor.stopping):
                await receiver.listen(monitor.stopping)
        finally:
            await _hand_back(runner)


async def _hand_back(runner: RunRunner) -> None:
    try:
        async with asyncio.timeout(HAND_BACK_SECONDS):
            await runner.hand_back()
    except TimeoutError:
        logger.warning("Maintenance will rescue the runs that could not be handed back")


async def maintain(settings: Settings) -> None:
    """Run the maintenance loops until SIGTERM or SIGINT."""
    run_types()  # fail now if a package declares one wrongly
    broker = RunBroker(settings.require_redis_url())
    checks = {"relay": Check(lambda: maintenance.steps.require("relay"))}
    process = _open_process(settings, "maintenance", broker, checks)
    async with process as (resources, tracer, monitor):
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
        async with serve_monitoring(settings, monitor):
            await _run_until_stopped(maintenance, monitor.stopping)


async def _run_until_stopped(maintenance: Maintenance, stopping: asyncio.Event) -> None:
    _set_on_signal(stopping)
    logger.info("Dispatching, rescuing and purging runs")
    loops = asyncio.create_task(maintenance.run())
    waiting = asyncio.create_task(stopping.wait())
    await asyncio.wait([loops, waiting], return_when=asyncio.FIRST_COMPLETED)
    for task in (loops, waiting):
        task.cancel()
    await asyncio.gather(loops, waiting, return_exceptions=True)
    if not stopping.is_set():
        loops.result()


def _set_on_signal(stopping: asyncio.Event) -> None:
    """Make signals set the event; before this call, they end the process at once."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
