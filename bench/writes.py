"""Time the life of a run through the use cases: start, claim, heartbeat, record, finish."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from itertools import chain

from bench.tenants import BenchTenant, start_sync
from bench.timing import WARM_UP, Timing, by_turns
from domain.runs.execution import RunExecution
from domain.runs.models import StartedRun

LEASE = timedelta(seconds=30)
ITEMS = 5
STEPS = ("start", "claim", "heartbeat", "record 5 items", "finish")


async def measure_writes(tenants: Sequence[BenchTenant], rounds: int) -> list[dict[str, Timing]]:
    """Execute runs in each tenant by turns; return the times of the steps for each tenant."""
    timings = [{step: Timing() for step in STEPS} for _ in tenants]
    works = [
        partial(_execute_run, tenant, steps) for tenant, steps in zip(tenants, timings, strict=True)
    ]
    await by_turns(works, WARM_UP)
    for timing in chain.from_iterable(steps.values() for steps in timings):
        timing.samples.clear()
    await by_turns(works, rounds)
    return timings


async def _execute_run(tenant: BenchTenant, timings: dict[str, Timing]) -> None:
    started: StartedRun
    claimed: RunExecution | None

    async def start() -> None:
        nonlocal started
        started = await start_sync(tenant.starter, tenant.access)

    async def claim() -> None:
        nonlocal claimed
        claimed = await tenant.claimer.claim(tenant.id, started.run.id, LEASE)

    await timings["start"].take(start)
    await timings["claim"].take(claim)
    assert claimed is not None
    execution = claimed

    async def record() -> None:
        async with execution.batch() as batch:
            for number in range(ITEMS):
                batch.succeeded(f"policy-{number}")

    await timings["heartbeat"].take(lambda: execution.heartbeat(LEASE))
    await timings["record 5 items"].take(record)
    await timings["finish"].take(execution.finish)
