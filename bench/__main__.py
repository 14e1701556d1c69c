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
from bench.report import Table
from bench.servers import filled_servers
from bench.stage import QUICK, Scale, Stage

GROUPS: dict[str, Callable[[Stage], Awaitable[list[Table]]]] = {
    "list": measure_list,
    "pages": measure_pages,
    "live": measure_live,
    "idle": measure_idle,
    "growth": measure_growth,
}


@click.command()
@click.option("--only", multiple=True, type=click.Choice([*GROUPS]), help="A group; repeatable.")
@click.option("--rows", type=int, help="Runs of the large tenant.")
@click.option("--quick", is_flag=True, help="See that everything runs; the figures mean nothing.")
def main(only: tuple[str, ...], rows: int | None, *, quick: bool) -> None:
    """Measure Opsrun beside its limits and its peers."""
    scale = QUICK if quick else Scale()
    asyncio.run(_measure(only or tuple(GROUPS), replace(scale, rows=rows or scale.rows)))


async def _measure(groups: tuple[str, ...], scale: Scale) -> None:
    began = perf_counter()
    async with filled_servers(scale.sizes) as servers:
        runs = sum(scale.sizes.values())
        click.echo(
            f"{runs:,} runs written in {perf_counter() - began:.0f} s; {os.cpu_count()} cores\n"
        )
        for name in groups:
            before = os.getloadavg()[0]
            for table in await GROUPS[name](Stage(servers, scale)):
                click.echo(f"{table}\n")
            click.echo(f"Load average {before:.1f} before and {os.getloadavg()[0]:.1f} after.\n")
    click.echo(f"{perf_counter() - began:.0f} s in total")


if __name__ == "__main__":
    main()
