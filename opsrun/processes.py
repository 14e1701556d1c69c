"""The three kinds of long-running processes, each until it is told to stop."""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import uvicorn
from taskiq.acks import AcknowledgeType
from taskiq.receiver import Receiver

from domain.runs.execution import RunClaimer
from opsrun.asgi import Api, open_api
from opsrun.database import Login
from opsrun.resources import open_resources
from opsrun.settings import Settings, SettingsError
from workers.broker import RunBroker
from workers.maintenance import Maintenance
from workers.producers import PRODUCERS
from workers.runner import RunRunner
from workers.tasks import register_tasks, sender

logger = logging.getLogger(__name__)

DEFAULT_PORT = 8000


class _Server(uvicorn.Server):
    """Ends sockets and streams first: uvicorn alone would wait for them."""

    def __init__(self, config: uvicorn.Config, api: Api) -> None:
        super().__init__(config)
        self._api = api

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._api.view.close_sockets()
        await super().shutdown(sockets)


def listening_socket(settings: Settings) -> socket.socket:
    """Bind the API's port: the one that is set, or 8000, or a free one.

    Raises:
        SettingsError: the port that is set is taken.
    """
    for port in (DEFAULT_PORT, 0) if settings.port is None else (settings.port,):
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        # The protocol is named so that the event loop turns off Nagle's algorithm.
        bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((settings.host, port))
        except OSError as error:
            bound.close()
            failure = error
            continue
        bound.set_inheritable(True)
        return bound
    raise SettingsError(
        f"OPSRUN_PORT: cannot listen on {settings.host}:{port}: {failure.strerror}."
        " Set another port, or none to get a free one."
    )


def address(settings: Settings, bound: socket.socket) -> str:
    """Return how people reach the API that listens there."""
    if settings.public_url is not None:
        return str(settings.public_url).rstrip("/")
    host, port = bound.getsockname()[:2]
    return f"http://{'[' + host + ']' if ':' in host else host}:{port}"


async def serve_api(settings: Settings) -> None:
    """Serve the API until SIGTERM or SIGINT."""
    with listening_socket(settings) as bound:
        async with open_api(settings, address(settings, bound)) as api:
            config = uvicorn.Config(
                api.app,
                log_config=None,
                access_log=False,
                lifespan="off",
                ws="websockets-sansio",
                ws_ping_interval=20,
                ws_max_size=256 * 1024,
                timeout_graceful_shutdown=settings.shutdown_grace_seconds,
            )
            logger.info("Listening on %s", address(settings, bound))
            await _Server(config, api).serve(sockets=[bound])


async def work(settings: Settings) -> None:
    """Execute runs until SIGTERM or SIGINT; then finish or hand back what is in hand."""
    stop = _stop_event()
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
        try:
            await receiver.listen(stop)
            await runner.hand_back()
        finally:
            await broker.shutdown()


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
                lease=settings.lease,
                redispatch_after=timedelta(seconds=settings.redispatch_seconds),
                queue_timeout=timedelta(seconds=settings.queue_timeout_seconds),
            )
        finally:
            await broker.shutdown()


async def maintain(settings: Settings) -> None:
    """Run the maintenance loops until SIGTERM or SIGINT."""
    stop = _stop_event()
    async with open_maintenance(settings) as maintenance:
        loops = asyncio.create_task(maintenance.run())
        waiting = asyncio.create_task(stop.wait())
        await asyncio.wait([loops, waiting], return_when=asyncio.FIRST_COMPLETED)
        for task in (loops, waiting):
            task.cancel()
        await asyncio.gather(loops, waiting, return_exceptions=True)
        if not stop.is_set():
            loops.result()


def _stop_event() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_ in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_, stop.set)
    return stop
