"""Metrics and health of a process, served to its operators on a separate port."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, TypeAlias

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

if TYPE_CHECKING:
    from opsrun.valkey.wakeups import RedisWakeUps
    from workers.broker import RunBroker

logger = logging.getLogger(__name__)


RedisUse: TypeAlias = "RedisWakeUps | RunBroker"


class Monitor:
    """The metrics and health of a process."""

    def __init__(self, checks: Mapping[str, Check], **redis: RedisUse) -> None:
        """Create a monitor; `redis` has the process's uses of Redis by their metrics label."""
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
            "opsrun_redis_outages", "How often this use of Redis was cut off.", labels=["use"]
        )
        for name, use in self._uses.items():
            up.add_metric([name], 0 if use.is_away else 1)
            outages.add_metric([name], use.outages)
        yield up
        yield outages


class Server(uvicorn.Server):
    """A server that leaves signals to its caller."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def monitor_app(monitor: Monitor) -> Starlette:
    """Return the application that serves the monitor."""

    # A coroutine, because a thread must not read objects of the event loop.
    async def metrics(_: Request) -> Response:
        return Response(
            generate_latest(monitor.registry),
            headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4, "Cache-Control": "no-store"},
        )

    return Starlette(routes=[Route("/metrics", metrics), *monitor.health])


@asynccontextmanager
async def serve_monitoring(settings: Settings, monitor: Monitor) -> AsyncIterator[int | None]:
    """Serve the monitor on OPSRUN_METRICS_PORT; yield the port, or None if none is set.

    Raises:
        SettingsError: the process cannot listen on that port or host.
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
        logger.info("Serving metrics and health on port %d of %s", port, host)
        try:
            yield port
        finally:
            server.should_exit = True
            await serving
