"""The life of a run, written through the real doors: start, claim, heartbeat, finish."""

from datetime import timedelta
from uuid import uuid4

from bench.subject import Subject
from bench.timing import WARM_UP, Timing
from domain.runs.execution import RunExecution
from domain.runs.models import StartedRun

LEASE = timedelta(seconds=30)
ITEMS = 5
STEPS = ("start", "claim", "heartbeat", "record 5 items", "finish")


async def live(large: Subject, small: Subject, rounds: int) -> dict[str, tuple[Timing, Timing]]:
    """Let runs live in both tenants by turns; return the timings of each step."""
    timings = {step: (Timing(), Timing()) for step in STEPS}
    for number in range(WARM_UP + rounds):
        for side, subject in enumerate((large, small)):
            await _live_once(subject, {step: pair[side] for step, pair in timings.items()})
        if number < WARM_UP:
            for pair in timings.values():
                for timing in pair:
                    timing.samples.clear()
    return timings


async def _live_once(subject: Subject, timings: dict[str, Timing]) -> None:
    started: StartedRun
    execution: RunExecution | None

    async def start() -> None:
        nonlocal started
        scope = uuid4().hex
        started = await subject.starter.start(
            subject.access,
            resource="inventory",
            action="sync",
            subject=scope,
            context={"scopeKey": scope},
        )

    async def claim() -> None:
        nonlocal execution
        execution = await subject.claimer.claim(subject.tenant_id, started.run.id, LEASE)

    await timings["start"].take(start)
    await timings["claim"].take(claim)
    assert execution is not None
    held = execution

    async def record() -> None:
        async with held.batch() as batch:
            for number in range(ITEMS):
                batch.succeeded(f"policy-{number}")

    await timings["heartbeat"].take(lambda: held.heartbeat(LEASE))
    await timings["record 5 items"].take(record)
    await timings["finish"].take(held.finish)
