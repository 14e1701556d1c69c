"""Measure the hub on a tenant with a million runs, and on a small one: `make bench`.

It measures:
- the pages of the run list, by filter and depth, with the plans that Postgres chooses;
- facets, a single run, its timeline and its failures;
- the feed, the snapshots of a scope, and one page over HTTP;
- the life of a run: start, claim, heartbeat, recorded items, finish.
"""

import asyncio
import os
from time import perf_counter

import click

from bench.cases import READS
from bench.plans import explain
from bench.report import Row, table
from bench.servers import filled_servers
from bench.tenants import sign_in
from bench.timing import compare
from bench.writes import measure_writes
from opsrun.postgres.engines import Login
from opsrun.resources import open_resources
from tests.gql.api import running_api

SMALL_TENANTS = 50
SMALL = 2000


@click.command()
@click.option("--rows", default=1_000_000, show_default=True, help="Runs of the large tenant.")
@click.option("--quick", is_flag=True, help="Fewer runs and rounds: to see that it works.")
def main(rows: int, *, quick: bool) -> None:
    """Compare a large tenant with a small one beside it."""
    asyncio.run(_measure(min(rows, 50_000) if quick else rows, rounds=10 if quick else 40))


async def _measure(rows: int, *, rounds: int) -> None:
    began = perf_counter()
    sizes = {f"small-{number}": SMALL for number in range(SMALL_TENANTS)} | {"large": rows}
    async with filled_servers(sizes) as settings:
        click.echo(f"{sum(sizes.values()):,} runs written in {perf_counter() - began:.0f} s\n")
        async with (
            running_api(settings(Login.API)) as api,
            open_resources(settings(Login.WORKER), Login.WORKER) as worker,
        ):
            load_before = _load()
            large = await sign_in(api, worker, "large", rows)
            small = await sign_in(api, worker, "small-7", SMALL)
            table_rows: list[Row] = []
            for case in READS:
                reads = [await case.prepare(tenant) for tenant in (large, small)]
                on_large, on_small = await compare(reads, rounds)
                table_rows.append((case.name, on_large, on_small))
            plans = {case.name: await explain(case, large) for case in READS if case.explained}
            table_rows += await measure_writes(large, small, rounds)
    # Absolute times depend on the machine's load. Ratios do not: both tenants share it.
    click.echo(f"{os.cpu_count()} cores, load average {load_before} before and {_load()} after\n")
    click.echo(table(table_rows))
    for name, lines in plans.items():
        click.echo("\n".join([f"\n{name}", *lines]))
    click.echo(f"\n{perf_counter() - began:.0f} s in total")


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


if __name__ == "__main__":
    main()
