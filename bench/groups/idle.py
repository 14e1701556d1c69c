"""The CPU and memory of subscribers to which nothing happens."""

import asyncio

from bench.cpu import resident_bytes
from bench.groups.live import SERVERS
from bench.processes import Server, available, running
from bench.report import Table
from bench.stage import Stage
from bench.subscribers import Subscribers, open_subscribers

# A server loads code and fills caches for its first subscribers.
_WARM_UP = 20


async def measure_idle(stage: Stage) -> list[Table]:
    """Measure each server in a new process, because memory depends on what it did before."""
    count = stage.scale.idle_subscribers
    async with (
        open_subscribers(stage, count) as subscribers,
        running(stage.servers, available(SERVERS)) as servers,
    ):
        rows = [(server.name, *await _idle(stage, subscribers, server)) for server in servers]
    return [Table(f"{count:,} idle subscribers", ("server", "% of a core", "KB each"), rows)]


async def _idle(stage: Stage, subscribers: Subscribers, server: Server) -> tuple[float, float]:
    count, seconds = stage.scale.idle_subscribers, stage.scale.idle_seconds
    await subscribers.open(server, _WARM_UP)
    await subscribers.close(server)
    memory = resident_bytes(server.pid)
    await subscribers.open(server, count)
    used = server.cpu_seconds
    await asyncio.sleep(seconds)
    used = server.cpu_seconds - used
    memory = resident_bytes(server.pid) - memory
    await subscribers.result()
    await subscribers.close(server)
    return 100 * used / seconds, memory / count / 1000
