"""What metrics and traces cost the list query: `python -m bench.telemetry`. Prints ratios."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import click
from strawberry.extensions import SchemaExtension

from bench.cases import hub_page
from bench.filling import fill
from bench.subject import UNLIMITED, add_tenant, enter
from bench.timing import WARM_UP, Timing
from domain.tenancy.transactions import Transactions
from gql.observation import OperationObservation
from opsrun.dev.embedded import embedded_servers
from opsrun.dev.provision import create_database, provision
from opsrun.postgres.engines import Login, open_engine
from opsrun.resources import open_resources
from opsrun.settings import Settings
from tests.conftest import settings_for
from tests.gql.api import running_api
from tests.opsrun.telemetry.collector import collector

RUNS, ROUNDS, SLUG = 20_000, 200, "measured"


async def _measure(folder: Path) -> dict[str, Timing]:
    async with AsyncExitStack() as stack:
        servers = await stack.enter_async_context(
            embedded_servers(folder / "servers", durable=False)
        )
        database = await create_database(servers.postgres_url)
        urls = await provision(database, b"bench")
        async with open_engine(urls[Login.MAINTENANCE]) as keeper, open_engine(database) as owner:
            await fill(owner, {await add_tenant(Transactions(keeper), SLUG): RUNS})
        plain = settings_for(urls[Login.API], servers.redis_url, folder, **UNLIMITED)
        collected = await stack.enter_async_context(collector())
        traced = Settings.model_validate(
            {**plain.model_dump(), "otlp_endpoint": collected.endpoint}
        )
        worker = await stack.enter_async_context(
            open_resources(
                settings_for(urls[Login.WORKER], servers.redis_url, folder), Login.WORKER
            )
        )
        off_and_on = [
            await hub_page(
                await enter(await stack.enter_async_context(running_api(one)), worker, SLUG, RUNS)
            )
            for one in (plain, traced)
        ]
        timings = {name: Timing() for name in ("neither", "metrics", "metrics and traces")}
        for number in range(WARM_UP + ROUNDS):
            # By turns, so that whatever else the machine does meets all alike.
            for name, timing in timings.items():
                ask = off_and_on[name == "metrics and traces"]
                watching = SchemaExtension if name == "neither" else OperationObservation
                with patch("gql.execution.OperationObservation", watching):
                    await timing.take(ask)
                if number < WARM_UP:
                    timing.samples.clear()
        return timings


@click.command()
def main() -> None:
    """Compare the list query with neither, with metrics, and with traces too."""
    with TemporaryDirectory(prefix="opsrun-bench-") as folder:
        timings = asyncio.run(_measure(Path(folder)))
    base = timings["neither"].median
    for name, timing in timings.items():
        click.echo(f"{name:20} median {timing.median:6.2f} ms   {timing.median / base:.3f}x")


if __name__ == "__main__":
    main()
