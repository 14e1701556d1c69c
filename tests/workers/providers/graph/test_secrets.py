"""Whatever Graph does to a sync, no credential, token or link of it is kept or shown anywhere."""

import logging
from collections.abc import Callable
from datetime import timedelta

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.acts import start_sync
from tests.graph import Double
from tests.graph.faults import Cut, Fault, ForeignLink, RepeatingLink, error, throttled
from tests.graph.samples import sample_policies
from tests.ledger import reload, tables_with
from tests.workers.providers.graph.tenants import emulated, read_from_graph
from tests.workers.scripted import execute
from tests.workers.test_runner import collected_logs
from tests.world import LEASE, World
from workers.producers import load_producers
from workers.providers.graph.provider import ALL
from workers.runner import RunRunner

LISTS, DETAILS = "/deviceManagement/*", "/deviceManagement/*/*"
LINK = "https://graph.example.com/stolen?sig=link-canary"


def withdraw(double: Double) -> None:
    double.tokens.consent = False


def change_secret(double: Double) -> None:
    double.tokens.credentials.secret = "another secret"


def limit_requests(double: Double) -> None:
    double.faults.add(DETAILS, throttled(1), times=3)


def everywhere(path: str, fault: Fault) -> Callable[[Double], None]:
    def switch(double: Double) -> None:
        double.faults.add(path, fault, times=None, after=1)

    return switch


@pytest.mark.parametrize(
    "break_it",
    [
        lambda _: None,
        withdraw,
        change_secret,
        everywhere("/token", error(503)),
        everywhere(LISTS, error(401)),
        everywhere(LISTS, ForeignLink(LINK)),
        everywhere(LISTS, RepeatingLink()),
        everywhere(DETAILS, error(403)),
        everywhere(DETAILS, error(500)),
        limit_requests,
        everywhere("*", Cut("within")),
    ],
)
async def test_nothing_secret_leaves_the_worker(
    world: World, monkeypatch: pytest.MonkeyPatch, break_it: Callable[[Double], None]
) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    runner = RunRunner(
        world.claimer,
        load_producers(),
        lease=LEASE,
        run_timeout=timedelta(minutes=1),
        tracer=provider.get_tracer("tests"),
    )
    async with emulated(monkeypatch, sample_policies(60), page_size=5) as double:
        await read_from_graph(world, double)
        secret = double.tokens.secret
        break_it(double)
        # Other tests' syncs of groups keep the link at which they resume.
        positions = await tables_with(world, "$skiptoken")
        started = await start_sync(world, ALL)
        with collected_logs("json") as logs:
            # The double's own server.
            logging.getLogger("uvicorn").setLevel(logging.WARNING)
            await execute(runner, started)
        assert (await reload(world, started.run.id)).is_terminal
        spans = "".join(span.to_json() for span in exporter.get_finished_spans())
        assert "run inventory.sync" in spans
        credentials = (secret, *double.tokens.issued, "link-canary")
        for canary in (*credentials, "$skiptoken"):
            assert canary not in logs.getvalue()
            assert canary not in spans
        for canary in credentials:
            assert await tables_with(world, canary) == set()
        assert await tables_with(world, "$skiptoken") == positions
