"""The API as a process, until a signal stops it."""

import asyncio
import gc
import logging
import signal
import socket
import sys
from collections.abc import Sequence
from types import FrameType

import uvicorn
from starlette.routing import BaseRoute

from opsrun.api.asgi import Api, open_api
from opsrun.api.http_protocol import server_config
from opsrun.api.listening import address
from opsrun.api.monitoring import serve_monitoring
from opsrun.api.monitoring_server import Server
from opsrun.api.websocket_protocol import WebSocketProtocol
from opsrun.settings import Settings

logger = logging.getLogger(__name__)


class _Server(Server):
    """Drains at a signal: it closes WebSockets and event streams, and waits for other requests."""

    def __init__(self, config: uvicorn.Config, api: Api, drain_seconds: float) -> None:
        super().__init__(config)
        self._api = api
        self._drain_seconds = drain_seconds
        self._draining: asyncio.Task[None] | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain at the first signal, then stop; stop at once at the second signal."""
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain())
        else:
            super().handle_exit(sig, frame)

    async def _drain(self) -> None:
        half = self._drain_seconds / 2
        logger.info("Stopping: serving all requests for %s more seconds", half)
        self._api.monitor.stopping.set()
        try:
            await asyncio.sleep(half)
            await self._api.view.close_connections(spread=half)
        finally:
            self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        if self._draining is not None and self._draining.cancel():
            await self._api.view.close_connections()
        await super().shutdown(sockets)


# Seconds after which the thread that reads documents yields the interpreter to the event loop.
SWITCH_SECONDS = 0.001
# For the young, middle and old generation. An operation creates about ten thousand objects.
COLLECTOR_THRESHOLDS = (10_000, 10, 5)


def _tune_garbage_collector() -> None:
    """Exempt permanent objects, such as modules and the schema, from garbage collection.

    With them, a full collection takes 100 ms, in which the process answers no request.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLDS)


async def serve_api(
    settings: Settings, bound: socket.socket, more_routes: Sequence[BaseRoute] = ()
) -> None:
    """Serve the API and `more_routes` on a listening socket until SIGTERM or SIGINT."""
    base = address(settings, bound)
    sys.setswitchinterval(SWITCH_SECONDS)
    async with (
        open_api(settings, base, more_routes) as api,
        serve_monitoring(settings, api.monitor),
    ):
        config = server_config(
            api.app,
            ws=WebSocketProtocol,
            ws_ping_interval=20,
            ws_ping_timeout=20,
            ws_max_size=256 * 1024,
            timeout_graceful_shutdown=settings.shutdown_grace_seconds,
        )
        server = _Server(config, api, settings.drain_seconds)
        _tune_garbage_collector()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, server.handle_exit, number, None)
        logger.info("Listening on %s", base)
        await server.serve(sockets=[bound])
