"""Measure what telemetry adds to the list query: `python -m bench.telemetry`. Prints ratios."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from unittest.mock import patch

import click

from bench.cases import hub_page
from bench.servers import filled_servers
from bench.tenants import sign_in
from bench.timing import Timing, Work, compare
from gql.observation import Observation, observed
from gql.request import Request
from opsrun.postgres.engines import Login
from opsrun.resources import open_resources
from opsrun.settings import Settings
from tests.gql.api import running_api
from tests.opsrun.telemetry.collector import collector

RUNS, ROUNDS, SLUG = 20_000, 200, "measured"

Observe = Callable[[Request], AbstractContextManager[Observation]]


class _Unobserved(Observation):
    """Carries an operation and its cost, and measures nothing."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.node = self.cost = None
        self.is_answered = False

    def answered(self, _: object) -> None:
        """Measure nothing."""


@contextmanager
def unobserved(request: Request) -> Iterator[Observation]:
    """Stand in for `gql.observation.observed`."""
    yield _Unobserved(request)


async def _measure() -> dict[str, Timing]:
    async with (
        filled_servers({SLUG: RUNS}) as servers,
        collector() as traces,
        open_resources(servers.settings(Login.WORKER), Login.WORKER) as worker,
    ):
        plain = servers.settings(Login.API)
        traced = Settings.model_validate({**plain.model_dump(), "otlp_endpoint": traces.endpoint})
        async with running_api(plain) as plain_api, running_api(traced) as traced_api:
            read, read_traced = [
                await hub_page(await sign_in(api, worker, SLUG, RUNS))
                for api in (plain_api, traced_api)
            ]
            works = {
                "neither": _with(unobserved, read),
                "metrics": _with(observed, read),
                "metrics and traces": _with(observed, read_traced),
            }
            timings = await compare(list(works.values()), ROUNDS)
            return dict(zip(works, timings, strict=True))


def _with(observe: Observe, read: Work) -> Work:
    async def work() -> object:
        with patch("gql.execution.observed", observe):
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
