"""Measure the hub on a tenant with a million runs: `make bench`. Prints, and judges nothing."""

import asyncio
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import click

from bench.cases import READS
from bench.filling import fill
from bench.plans import explain
from bench.report import Row, table
from bench.subject import UNLIMITED, add_tenant, enter
from bench.timing import compare
from bench.writes import live
from domain.tenancy.transactions import Transactions
from opsrun.dev.embedded import EmbeddedServers, embedded_servers
from opsrun.dev.provision import create_database, provision
from opsrun.postgres.engines import Login, open_engine
from opsrun.resources import open_resources
from tests.conftest import settings_for
from tests.gql.api import running_api

SMALL_TENANTS = 50
SMALL = 2000


@click.command()
@click.option("--rows", default=1_000_000, show_default=True, help="Runs of the large tenant.")
@click.option("--quick", is_flag=True, help="Fewer runs and rounds: to see that it works.")
def main(rows: int, *, quick: bool) -> None:
    """Compare a large tenant with a small one beside it."""
    asyncio.run(_bench(min(rows, 50_000) if quick else rows, rounds=10 if quick else 40))


async def _bench(rows: int, *, rounds: int) -> None:
    with TemporaryDirectory(prefix="opsrun-bench-") as folder:
        async with embedded_servers(Path(folder) / "servers", durable=False) as servers:
            await _measure(servers, Path(folder), rows, rounds)


async def _measure(servers: EmbeddedServers, folder: Path, rows: int, rounds: int) -> None:
    began = perf_counter()
    database = await create_database(servers.postgres_url)
    urls = await provision(database, b"bench")
    slugs = {f"small-{number}": SMALL for number in range(SMALL_TENANTS)} | {"large": rows}
    async with open_engine(urls[Login.MAINTENANCE]) as keeper, open_engine(database) as owner:
        transactions = Transactions(keeper)
        sizes = {await add_tenant(transactions, slug): runs for slug, runs in slugs.items()}
        await fill(owner, sizes)
    click.echo(f"{sum(sizes.values()):,} runs written in {perf_counter() - began:.0f} s\n")

    worker_settings = settings_for(urls[Login.WORKER], servers.redis_url, folder)
    async with (
        running_api(settings_for(urls[Login.API], servers.redis_url, folder, **UNLIMITED)) as api,
        open_resources(worker_settings, Login.WORKER) as worker,
    ):
        load_before = _load()
        large = await enter(api, worker, "large", rows)
        small = await enter(api, worker, "small-7", SMALL)
        table_rows: list[Row] = []
        for case in READS:
            reads = await case.prepare(large), await case.prepare(small)
            table_rows.append((case.name, *await compare(*reads, rounds)))
        plans = {case.name: await explain(case, large) for case in READS if case.explained}
        steps = await live(large, small, rounds)
    # Times of a busy machine say little; ratios hold, since both tenants are timed by turns.
    click.echo(f"{os.cpu_count()} cores, load average {load_before} before and {_load()} after\n")
    click.echo(table([*table_rows, *((step, *pair) for step, pair in steps.items())]))
    for name, lines in plans.items():
        click.echo("\n".join([f"\n{name}", *lines]))
    click.echo(f"\n{perf_counter() - began:.0f} s in all")


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


if __name__ == "__main__":
    main()
