"""Measure Opsrun beside its limits and its peers: `make bench`.

Each group prints Markdown tables. They contain figures, and no judgement: docs/performance.md
says what the figures mean.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from time import perf_counter

import click

from bench.groups.growth import measure_growth
from bench.groups.idle import measure_idle
from bench.groups.list import measure_list
from bench.groups.live import measure_live
from bench.groups.pages import measure_pages
from bench.groups.start import measure_start
from bench.groups.tenants import measure_tenants
from bench.groups.work import measure_work
from bench.report import Table
from bench.servers import filled_servers
from bench.stage import QUICK, WORK, Scale, Stage

Measure = Callable[[Stage], Awaitable[list[Table]]]
# On tenants with a long history, in a database that is not durable.
READING: dict[str, Measure] = {
    "list": measure_list,
    "pages": measure_pages,
    "live": measure_live,
    "idle": measure_idle,
    "growth": measure_growth,
    # The last one, because its tenants stay.
    "tenants": measure_tenants,
}
# On new tenants, in a durable database.
WORKING: dict[str, Measure] = {"work": measure_work, "start": measure_start}
GROUPS = READING | WORKING


@click.command()
@click.option("--only", multiple=True, type=click.Choice([*GROUPS]), help="A group; repeatable.")
@click.option("--rows", type=int, help="Runs of the large tenant.")
@click.option("--quick", is_flag=True, help="See that everything runs; the figures mean nothing.")
def main(only: tuple[str, ...], rows: int | None, *, quick: bool) -> None:
    """Measure Opsrun beside its limits and its peers."""
    scale = QUICK if quick else Scale()
    asyncio.run(_measure(only or tuple(GROUPS), replace(scale, rows=rows or scale.rows)))


async def _measure(names: tuple[str, ...], scale: Scale) -> None:
    began = perf_counter()
    for groups, sizes in ((READING, scale.sizes), (WORKING, dict.fromkeys(WORK, 0))):
        if chosen := [name for name in names if name in groups]:
            async with filled_servers(sizes, durable=groups is WORKING) as servers:
                click.echo(
                    f"{sum(sizes.values()):,} runs written after {perf_counter() - began:.0f} s;"
                    f" {os.cpu_count()} cores\n"
                )
                for name in chosen:
                    await _measure_group(groups[name], Stage(servers, scale))
    click.echo(f"{perf_counter() - began:.0f} s in total")


async def _measure_group(measure: Measure, stage: Stage) -> None:
    before = os.getloadavg()[0]
    for table in await measure(stage):
        click.echo(f"{table}\n")
    click.echo(f"Load average {before:.1f} before and {os.getloadavg()[0]:.1f} after.\n")


if __name__ == "__main__":
    main()
