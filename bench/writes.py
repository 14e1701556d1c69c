"""Time the life of a run through the use cases: start, claim, heartbeat, record, finish."""

from datetime import timedelta
from uuid import uuid4

from bench.report import Row
from bench.tenants import BenchTenant
from bench.timing import WARM_UP, Timing
from domain.runs.execution import RunExecution
from domain.runs.models import StartedRun

LEASE = timedelta(seconds=30)
ITEMS = 5
STEPS = ("start", "claim", "heartbeat", "record 5 items", "finish")


async def measure_writes(large: BenchTenant, small: BenchTenant, rounds: int) -> list[Row]:
    """Execute runs in both tenants alternately; return a row for each step."""
    timings = {step: (Timing(), Timing()) for step in STEPS}
    for number in range(WARM_UP + rounds):
        for side, tenant in enumerate((large, small)):
            await _execute_run(tenant, {step: pair[side] for step, pair in timings.items()})
        if number < WARM_UP:
            for pair in timings.values():
                for timing in pair:
                    timing.samples.clear()
    return [(step, *pair) for step, pair in timings.items()]


async def _execute_run(tenant: BenchTenant, timings: dict[str, Timing]) -> None:
    started: StartedRun
    claimed: RunExecution | None

    async def start() -> None:
        nonlocal started
        scope = uuid4().hex
        started = await tenant.starter.start(
            tenant.access,
            resource="inventory",
            action="sync",
            subject=scope,
            context={"scopeKey": scope},
        )

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
