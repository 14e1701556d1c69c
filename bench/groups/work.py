"""The execution of runs: empty ones, their starts, a sync of many policies, and drift."""

from functools import partial

from bench.processes import PROCRASTINATE, TASKIQ
from bench.report import Table, ratio
from bench.stage import Stage
from bench.timing import by_turns, medians
from bench.work.empty_runs import EmptyRuns, add_snapshots, open_empty_runs
from bench.work.executions import Took
from bench.work.items import (
    CHANGED_HASHES,
    COPY,
    FILES,
    FIRST_SYNC,
    KNOWN_DRIFT,
    NEW_DRIFT,
    NEXT_SYNC,
    measure_items,
)
from bench.work.queues import count_round_trips, measure_emptying, open_peers, opsrun_queues
from bench.work.starts import CALLERS, measure_starts

# A turn is longer than those of other groups.
_MOST_ROUNDS = 3


async def measure_work(stage: Stage) -> list[Table]:
    """Measure each case beside its limits and its peer by turns."""
    rounds = min(_MOST_ROUNDS, stage.scale.rounds)
    await add_snapshots(stage)
    async with open_empty_runs(stage) as runs:
        return [
            await _empty_runs(stage, runs, rounds),
            await _starts(stage, runs, rounds),
            *_items(stage, await measure_items(stage, runs, rounds)),
        ]


async def _empty_runs(stage: Stage, runs: EmptyRuns, rounds: int) -> Table:
    async with open_peers(stage) as [taskiq, procrastinate]:
        single, *others = opsrun_queues(stage, runs)
        trips = {
            queue.name: await count_round_trips(stage, queue) for queue in (procrastinate, single)
        }
        queues = [taskiq, procrastinate, single, *others]
        works = [partial(measure_emptying, stage, queue) for queue in queues]
        results = map(medians, await by_turns(works, rounds))
    figures = {queue.name: result for queue, result in zip(queues, results, strict=True)}
    limit, peer = figures[TASKIQ], figures[PROCRASTINATE]
    rows = [
        (
            name,
            each.per_second,
            ratio(each.per_second, limit.per_second),
            ratio(each.per_second, peer.per_second),
            each.worker_ms,
            each.maintenance_ms,
            each.postgres_ms,
            each.valkey_ms,
            sum(trips[name]) if name in trips else None,
        )
        for name, each in figures.items()
    ]
    worker, maintenance = trips[single.name]
    return Table(
        "Empty runs",
        (
            *("queue", "runs/s", "of bare Taskiq", "of procrastinate", "worker CPU ms"),
            *("maintenance CPU ms", "Postgres CPU ms", "Valkey CPU ms", "SQL round trips"),
        ),
        rows,
        "CPU and round trips are for each run, without its start. Of Opsrun's round trips,"
        f" the worker makes {worker:.1f} and maintenance {maintenance:.1f}.",
    )


async def _starts(stage: Stage, runs: EmptyRuns, rounds: int) -> Table:
    figures, trips = await measure_starts(stage, runs, rounds)
    single = figures[0]
    rows = [
        (
            f"{callers} caller{'s' * (callers > 1)}",
            each.per_second,
            each.p50_ms,
            each.p99_ms,
            ratio(each.p99_ms, single.p99_ms),
            each.cpu_ms,
        )
        for callers, each in zip(CALLERS, figures, strict=True)
    ]
    return Table(
        "The mutation that starts a run, while a worker executes runs",
        ("callers", "starts/s", "p50 ms", "p99 ms", "of 1 caller", "API CPU ms"),
        rows,
        f"A start makes {trips:.1f} SQL round trips.",
    )


def _chosen(figures: dict[str, Took], *names: str) -> list[tuple[str, Took]]:
    return [(name, figures[name]) for name in names]


def _items(stage: Stage, figures: dict[str, Took]) -> list[Table]:
    policies, copy, sql = stage.scale.policies, figures[COPY], figures[CHANGED_HASHES]
    syncs = [
        (
            name,
            policies / each.seconds,
            ratio(copy.seconds, each.seconds),
            1e6 * each.cpu_seconds / policies or None,
            1e6 * each.postgres_cpu_seconds / policies,
            each.over_idle_bytes / 1e6 or None,
        )
        for name, each in _chosen(figures, COPY, FILES, FIRST_SYNC, NEXT_SYNC)
    ]
    drifts = [
        (
            name,
            1000 * each.seconds,
            ratio(each.seconds, sql.seconds),
            1000 * each.cpu_seconds or None,
            1000 * each.postgres_cpu_seconds,
            each.over_idle_bytes / 1e6 or None,
        )
        for name, each in _chosen(figures, CHANGED_HASHES, NEW_DRIFT, KNOWN_DRIFT)
    ]
    return [
        Table(
            f"A sync of {policies:,} policies",
            (
                *("work", "policies/s", "of COPY", "CPU µs each"),
                *("Postgres CPU µs each", "worker MB over idle"),
            ),
            syncs,
        ),
        Table(
            f"Drift over {policies:,} policies",
            ("work", "ms", "of the SQL", "CPU ms", "Postgres CPU ms", "worker MB over idle"),
            drifts,
        ),
    ]
