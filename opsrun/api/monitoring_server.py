"""The web server of a process's metrics and health."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import uvicorn
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from opsrun.api.health import Check
from opsrun.api.health_routes import health_routes
from opsrun.api.http_protocol import server_config


class Server(uvicorn.Server):
    """A server that leaves signals to its caller, and rests while nothing happens."""

    def __init__(self, config: uvicorn.Config) -> None:
        self._exit = asyncio.Event()
        super().__init__(config)

    @property
    def should_exit(self) -> bool:
        """Whether the server stops; setting it wakes the server up."""
        return self._exit.is_set()

    @should_exit.setter
    def should_exit(self, value: bool) -> None:
        if value:
            self._exit.set()
        else:
            self._exit.clear()

    async def main_loop(self) -> None:
        """Refresh the Date header every second; uvicorn's loop wakes up ten times as often."""
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._exit.wait()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def monitoring_server(
    registry: CollectorRegistry, checks: Mapping[str, Check], stopping: asyncio.Event
) -> Server:
    """Return a server, not yet started, of `/metrics` and the health endpoints."""

    # A coroutine, because a thread must not read objects of the event loop.
    async def metrics(_: Request) -> Response:
        return Response(
            generate_latest(registry),
            headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4, "Cache-Control": "no-store"},
        )

    health = health_routes(checks, stopping)
    app = Starlette(routes=[Route("/metrics", metrics), *health])
    return Server(server_config(app, ws="none", timeout_graceful_shutdown=1))
