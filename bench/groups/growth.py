"""Opsrun's use cases on a large tenant, beside a small one in the same database."""

from bench.cases import READS
from bench.plans import explain
from bench.report import Table, ratio
from bench.stage import LARGE, SMALL, SMALL_RUNS, Stage
from bench.tenants import sign_in
from bench.timing import Timing, compare
from bench.writes import measure_writes
from opsrun.postgres.engines import Login
from opsrun.resources import open_resources
from tests.gql.api import running_api

_COLUMNS = (
    "milliseconds",
    "large median",
    "large p95",
    "rows",
    "small median",
    "small p95",
    "rows",
    "ratio",
)


async def measure_growth(stage: Stage) -> list[Table]:
    """Time reads and the life of a run in both tenants by turns; add the reads' plans."""
    servers, rounds = stage.servers, stage.scale.timed_rounds
    async with (
        running_api(servers.settings(Login.API)) as api,
        open_resources(servers.settings(Login.WORKER), Login.WORKER) as worker,
    ):
        large = await sign_in(api, worker, LARGE, stage.scale.rows)
        small = await sign_in(api, worker, SMALL, SMALL_RUNS)
        rows = []
        for case in READS:
            reads = [await case.prepare(tenant) for tenant in (large, small)]
            rows.append(_row(case.name, *await compare(reads, rounds)))
        on_large, on_small = await measure_writes((large, small), rounds)
        rows += [_row(step, on_large[step], on_small[step]) for step in on_large]
        plans = {
            case.name: await explain(await case.prepare(large), large.api, large.access)
            for case in READS
            if case.explained
        }
    note = "\n".join(
        line for name, lines in plans.items() for line in ("\n" + name, "```text", *lines, "```")
    )
    title = f"{stage.scale.rows:,} runs beside {SMALL_RUNS:,}"
    return [Table(title, _COLUMNS, rows, note)]


def _row(name: str, large: Timing, small: Timing) -> tuple[str | float | None, ...]:
    sides = (cell for each in (large, small) for cell in (each.median, each.p95, each.rows))
    return (name, *sides, ratio(large.median, small.median))
