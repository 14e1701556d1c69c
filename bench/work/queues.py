"""Fill a queue with jobs that do nothing, and measure how fast its workers empty it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from operator import sub
from time import perf_counter

import asyncpg
from procrastinate.types import JSONDict
from redis.asyncio import Redis

from bench.cpu import cpu_seconds
from bench.peers.procrastinate_queue import open_app
from bench.peers.taskiq_queue import QUEUE, open_broker
from bench.processes import MAINTENANCE, PROCRASTINATE, TASKIQ, WORKER, Server, started
from bench.servers import FilledServers
from bench.stage import WORK, Stage
from bench.work.empty_runs import EmptyRuns

_PAUSE, _PATIENCE = 0.025, 120.0
_CALLERS = 16
# The peers are faster. With so many jobs, their turns take about as long as Opsrun's.
_TASKIQ_FACTOR, _PROCRASTINATE_FACTOR = 10, 4


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue, the processes that empty it, and the number of jobs to fill it with."""

    name: str
    processes: Sequence[str]
    jobs: int
    fill: Callable[[], Awaitable[object]]
    left: Callable[[], Awaitable[int]]
    """Returns how many jobs have not ended."""

    async def wait(self, most: int, processes: Sequence[Server]) -> int:
        """Wait until at most that many jobs are left; return how many are."""
        async with asyncio.timeout(_PATIENCE):
            while (left := await self.left()) > most:
                for process in processes:
                    if process.child.ended:
                        raise RuntimeError(process.child.exit_report())
                await asyncio.sleep(_PAUSE)
        return left

    @property
    def steady(self) -> int:
        """The number of jobs that are left when the processes have started and warmed up."""
        return self.jobs * 3 // 4


@dataclass(frozen=True, slots=True)
class Emptying:
    """The figures of one turn, or their medians. CPU is for each job."""

    per_second: float
    worker_ms: float
    maintenance_ms: float
    postgres_ms: float
    valkey_ms: float


async def measure_emptying(stage: Stage, queue: Queue) -> Emptying:
    """Fill the queue, start its processes, and measure them over the last three quarters."""
    await queue.fill()
    async with started(stage.servers, queue.processes) as processes:
        left = await queue.wait(queue.steady, processes)
        began, used = perf_counter(), _cpu(stage.servers, processes)
        await queue.wait(0, processes)
        seconds = perf_counter() - began
        cpu = map(sub, _cpu(stage.servers, processes), used)
    return Emptying(left / seconds, *(1000 * each / left for each in cpu))


def _cpu(servers: FilledServers, processes: Sequence[Server]) -> list[float]:
    return [
        sum(each.cpu_seconds for each in processes if each.name != MAINTENANCE),
        sum(each.cpu_seconds for each in processes if each.name == MAINTENANCE),
        servers.postgres_cpu_seconds,
        cpu_seconds(servers.valkey.process.pid),
    ]


async def count_round_trips(stage: Stage, queue: Queue) -> list[float]:
    """Return the SQL round trips of each process for each job, in the order of its processes."""
    await queue.fill()
    async with AsyncExitStack() as stack:
        counters, processes = [], []
        for name in queue.processes:
            counter = await stack.enter_async_context(stage.servers.counted_round_trips())
            process = started(stage.servers, [name], counter.port)
            processes += await stack.enter_async_context(process)
            counters.append(counter)
        left = await queue.wait(queue.steady, processes)
        before = [counter.count for counter in counters]
        await queue.wait(0, processes)
        return [
            (counter.count - count) / left for counter, count in zip(counters, before, strict=True)
        ]


@asynccontextmanager
async def open_peers(stage: Stage) -> AsyncIterator[list[Queue]]:
    """Open the queues of bare Taskiq and procrastinate."""
    servers, runs = stage.servers, stage.scale.empty_runs
    kicks, jobs = _TASKIQ_FACTOR * runs, _PROCRASTINATE_FACTOR * runs
    message: JSONDict = {
        "tenant_id": str(servers.tenants[WORK[0]]),
        "run_id": str(servers.tenants[WORK[1]]),
    }
    broker, task = open_broker(servers.redis_url)
    app, job = open_app(servers.superuser_url)
    database = await asyncpg.connect(servers.superuser_url)
    await broker.startup()

    async def kick() -> None:
        for _ in range(kicks):
            await task.kiq(**message)

    try:
        async with app.open_async(), Redis.from_url(servers.redis_url) as redis:
            await app.schema_manager.apply_schema_async()
            yield [
                Queue(TASKIQ, [TASKIQ], kicks, kick, partial(_left_in_stream, redis)),
                Queue(
                    PROCRASTINATE,
                    [PROCRASTINATE],
                    jobs,
                    lambda: job.batch_defer_async(*[message] * jobs),
                    partial(database.fetchval, _LEFT_JOBS),
                ),
            ]
    finally:
        await broker.shutdown()
        await database.close()


_LEFT_JOBS = "SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"


async def _left_in_stream(redis: Redis) -> int:
    [group] = await redis.xinfo_groups(QUEUE)
    return int(group["lag"] + group["pending"])


def opsrun_queues(stage: Stage, runs: EmptyRuns) -> list[Queue]:
    """Return Opsrun's queues: one worker, two workers, and one worker for all tenants."""
    jobs = stage.scale.empty_runs

    def queue(name: str, workers: int, tenants: Sequence[str]) -> Queue:
        fill = partial(runs.start, jobs, callers=_CALLERS, tenants=tenants)
        return Queue(name, [*[WORKER] * workers, MAINTENANCE], jobs, fill, runs.left)

    return [
        queue("Opsrun, one worker", 1, WORK[:1]),
        queue("Opsrun, two workers", 2, WORK[:1]),
        queue(f"Opsrun, one worker, {len(WORK)} tenants", 1, WORK),
    ]
