"""Metrics and health of a process, served to its operators on a separate port."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from opsrun.api.health import Check
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
        self.checks = checks
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


@asynccontextmanager
async def serve_monitoring(settings: Settings, monitor: Monitor) -> AsyncIterator[int | None]:
    """Serve the monitor on OPSRUN_METRICS_PORT; yield the port, or None if none is set.

    Raises:
        SettingsError: the process cannot listen on that port or host.
    """
    if settings.metrics_port is None:
        yield None
        return
    # Imported here, so that a worker without this port starts without a web server.
    from opsrun.api.monitoring_server import monitoring_server

    host = settings.metrics_host or settings.host
    with listen(host, settings.metrics_port, "METRICS_") as bound:
        port = bound.getsockname()[1]
        server = monitoring_server(monitor.registry, monitor.checks, monitor.stopping)
        serving = asyncio.create_task(server.serve([bound]))
        logger.info("Serving metrics and health on port %d of %s", port, host)
        try:
            yield port
        finally:
            server.should_exit = True
            await serving
