"""The mutation that starts a run, with one caller and with many, while a worker executes them."""

import asyncio
from dataclasses import dataclass
from functools import partial

from bench.processes import MAINTENANCE, WORKER, running
from bench.stage import Stage
from bench.timing import by_turns, medians
from bench.work.empty_runs import EmptyRuns, open_empty_runs

CALLERS = (1, 16)
_PAUSE, _PATIENCE = 0.1, 120.0
# The driver prepares each statement once on each connection.
_WARM_UP, _COUNTED = 5, 10


@dataclass(frozen=True, slots=True)
class Starts:
    """The figures of one turn, or their medians."""

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    """CPU of the API for each start."""


async def measure_starts(stage: Stage, runs: EmptyRuns, rounds: int) -> tuple[list[Starts], float]:
    """Return the figures for each number of `CALLERS`, and the SQL round trips of a start."""
    async with running(stage.servers, [MAINTENANCE, WORKER]):
        turns = await by_turns([partial(_turn, stage, runs, each) for each in CALLERS], rounds)
        async with (
            stage.servers.counted_round_trips() as round_trips,
            open_empty_runs(stage, round_trips.port) as counted,
        ):
            await counted.start(_WARM_UP, callers=1)
            await _until_ended(counted)
            before = round_trips.count
            await counted.start(_COUNTED, callers=1)
            trips = (round_trips.count - before) / _COUNTED
            await _until_ended(counted)
    return [medians(each) for each in turns], trips


async def _turn(stage: Stage, runs: EmptyRuns, callers: int) -> Starts:
    count, used = stage.scale.starts, runs.api.cpu_seconds
    result = await runs.start(count, callers=callers)
    used = runs.api.cpu_seconds - used
    await _until_ended(runs)
    return Starts(
        per_second=count / result["seconds"],
        p50_ms=result["p50"],
        p99_ms=result["p99"],
        cpu_ms=1000 * used / count,
    )


async def _until_ended(runs: EmptyRuns) -> None:
    async with asyncio.timeout(_PATIENCE):
        while await runs.left():  # noqa: ASYNC110 - no event to wait for
            await asyncio.sleep(_PAUSE)
