"""What a process shows to those who run it: metrics and health, on a port of its own."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Protocol

import uvicorn
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from opsrun.api.health import Check, health_routes
from opsrun.api.http_protocol import server_config
from opsrun.api.listening import listen
from opsrun.settings import Settings

logger = logging.getLogger(__name__)


class RedisUse(Protocol):
    """One use that a process makes of Redis, and how it has found it."""

    outages: int

    @property
    def is_away(self) -> bool:
        """Whether Redis is out of reach."""
        ...


class Monitor:
    """The metrics and the health of one process."""

    def __init__(self, checks: Mapping[str, Check], **redis: RedisUse) -> None:
        """Prepare to show what the checks find, and how the uses of Redis get on."""
        self.stopping = asyncio.Event()
        self.health = health_routes(checks, self.stopping)
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.registry.register(_Redis(redis))


class _Redis(Collector):
    def __init__(self, uses: Mapping[str, RedisUse]) -> None:
        self._uses = uses

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily(
            "opsrun_redis_up", "1 while this use of Redis works, else 0.", labels=["use"]
        )
        outages = CounterMetricFamily(
            "opsrun_redis_outages", "How often this use of Redis broke off.", labels=["use"]
        )
        for name, use in self._uses.items():
            up.add_metric([name], 0 if use.is_away else 1)
            outages.add_metric([name], use.outages)
        yield up
        yield outages


class Server(uvicorn.Server):
    """Leaves signals to whoever runs the process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def monitor_app(monitor: Monitor) -> Starlette:
    """Return the application that shows it."""

    # On the loop, whose objects it reads; not in a thread.
    async def metrics(_: Request) -> Response:
        return Response(
            generate_latest(monitor.registry),
            headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4, "Cache-Control": "no-store"},
        )

    return Starlette(routes=[Route("/metrics", metrics), *monitor.health])


@asynccontextmanager
async def serve_monitoring(settings: Settings, monitor: Monitor) -> AsyncIterator[int | None]:
    """Serve it on OPSRUN_METRICS_PORT; returns the port, None when none is set.

    Raises:
        SettingsError: the port is taken, or the host is not ours.
    """
    if settings.metrics_port is None:
        yield None
        return
    host = settings.metrics_host or settings.host
    with listen(host, settings.metrics_port, "METRICS_") as bound:
        port = bound.getsockname()[1]
        config = server_config(monitor_app(monitor), ws="none", timeout_graceful_shutdown=1)
        server = Server(config)
        serving = asyncio.create_task(server.serve([bound]))
        logger.info("Showing metrics and health on port %d of %s", port, host)
        try:
            yield port
        finally:
            server.should_exit = True
            await serving
