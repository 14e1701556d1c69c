"""Measure what telemetry adds to the list query: `python -m bench.telemetry`. Prints ratios."""

import asyncio
from unittest.mock import patch

import click
from strawberry.extensions import SchemaExtension

from bench.cases import hub_page
from bench.servers import filled_servers
from bench.tenants import sign_in
from bench.timing import Timing, Work, compare
from gql.observation import OperationObservation
from opsrun.postgres.engines import Login
from opsrun.resources import open_resources
from opsrun.settings import Settings
from tests.gql.api import running_api
from tests.opsrun.telemetry.collector import collector

RUNS, ROUNDS, SLUG = 20_000, 200, "measured"


async def _measure() -> dict[str, Timing]:
    async with (
        filled_servers({SLUG: RUNS}) as settings,
        collector() as traces,
        open_resources(settings(Login.WORKER), Login.WORKER) as worker,
    ):
        plain = settings(Login.API)
        traced = Settings.model_validate({**plain.model_dump(), "otlp_endpoint": traces.endpoint})
        async with running_api(plain) as plain_api, running_api(traced) as traced_api:
            read, read_traced = [
                await hub_page(await sign_in(api, worker, SLUG, RUNS))
                for api in (plain_api, traced_api)
            ]
            works = {
                "neither": _with(SchemaExtension, read),
                "metrics": _with(OperationObservation, read),
                "metrics and traces": _with(OperationObservation, read_traced),
            }
            timings = await compare(list(works.values()), ROUNDS)
            return dict(zip(works, timings, strict=True))


def _with(extension: type[SchemaExtension], read: Work) -> Work:
    async def work() -> object:
        with patch("gql.execution.OperationObservation", extension):
            return await read()

    return work


@click.command()
def main() -> None:
    """Compare the list query with neither, with metrics, and with metrics and traces."""
    timings = asyncio.run(_measure())
    base = timings["neither"].median
    for name, timing in timings.items():
        click.echo(f"{name:20} median {timing.median:6.2f} ms   {timing.median / base:.3f}x")


if __name__ == "__main__":
    main()
