"""Measure the layouts: `python -m bench.partitions`."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from time import perf_counter

import click

from bench.partitions.layouts import LAYOUTS
from bench.partitions.migration import measure_migration
from bench.partitions.purge import measure_purge
from bench.partitions.reads import measure_reads
from bench.partitions.sides import Side, connected, open_original, open_side
from bench.partitions.sizes import measure_sizes
from bench.partitions.writes import measure_writes
from bench.report import Table

GROUPS = ("sizes", "migration", "reads", "writes", "purge")


@click.command()
@click.option("--rows", default=200_000, help="Runs of the large tenant.")
@click.option("--rounds", default=5, help="Turns of each layout.")
@click.option("--only", multiple=True, type=click.Choice(GROUPS), help="A group; repeatable.")
def main(rows: int, rounds: int, only: tuple[str, ...]) -> None:
    """Measure partitioned tables beside today's."""
    asyncio.run(_measure(rows, rounds, only or GROUPS))


async def _measure(rows: int, rounds: int, groups: tuple[str, ...]) -> None:
    began = perf_counter()
    async with open_original(rows) as original, AsyncExitStack() as stack:
        click.echo(f"{rows:,} runs written after {perf_counter() - began:.0f} s\n")
        if "sizes" in groups:
            async with connected(original.servers) as database:
                _print(await measure_sizes(database))
        if "migration" in groups:
            _print(await measure_migration(original))
        sides = [
            await stack.enter_async_context(open_side(original, layout, number))
            for number, layout in enumerate(LAYOUTS)
            if {*groups} & {*layout.groups}
        ]
        # A purge changes the tables, so it comes last.
        measures: dict[str, Callable[[Sequence[Side]], Awaitable[Iterable[Table]]]] = {
            "reads": partial(measure_reads, rounds=8 * rounds),
            "writes": partial(measure_writes, rounds=rounds, runs=100, rows=5000),
            "purge": measure_purge,
        }
        for group, measure in measures.items():
            if group in groups:
                _print(await measure([side for side in sides if group in side.layout.groups]))
    click.echo(f"{perf_counter() - began:.0f} s in total")


def _print(tables: Iterable[Table]) -> None:
    for table in tables:
        click.echo(f"{table}\n")
    click.echo(f"Load average {os.getloadavg()[0]:.1f}\n")


if __name__ == "__main__":
    main()
