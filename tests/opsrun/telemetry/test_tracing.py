"""One trace leads from a client's request through outbox and broker to the producer."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Tracer
from taskiq.acks import AcknowledgeType
from taskiq.receiver import Receiver

from domain.runs.execution import RunExecution
from domain.runs.models import Dispatch, OperationRun
from domain.runs.repository import reading
from gql.ids import GlobalId
from opsrun.dev.embedded import EmbeddedServers
from opsrun.postgres.engines import Login
from opsrun.settings import Settings
from opsrun.telemetry import span_export
from opsrun.telemetry.span_export import LogOutageOnce
from opsrun.telemetry.tracing import open_tracer
from tests.acts import export, lose_worker, policy, run_maintenance, save_scopes, start_sync, until
from tests.conftest import settings_for
from tests.gql.api import RunningApi, running_api
from tests.opsrun.api.test_monitoring import process
from tests.opsrun.conftest import Installation
from tests.opsrun.telemetry.collector import Collected, Collector, collector
from tests.workers.scripted import Scripted
from tests.world import LEASE, TENANT_CONCURRENCY, World
from workers.broker import RunBroker
from workers.producers import load_producers
from workers.runner import RunRunner
from workers.sending import sender
from workers.tasks import register_task

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SECRET = "Dragon#471"
START = (
    "mutation StartOne($tenant: ID!, $scope: String!) {"
    " startInventorySync(input: {tenantId: $tenant, scopeKey: $scope}) { run { id } } }"
)


@pytest.fixture
async def collected() -> AsyncIterator[Collector]:
    async with collector() as running:
        yield running


@pytest.fixture
def settings(
    servers: EmbeddedServers, logins: dict[Login, str], collected: Collector, tmp_path: Path
) -> Settings:
    plain = settings_for(logins[Login.API], servers.redis_url, tmp_path)
    return Settings.model_validate({**plain.model_dump(), "otlp_endpoint": collected.endpoint})


async def start(api: RunningApi, world: World, traceparent: str | None) -> UUID:
    await save_scopes(world, "prod")
    response = await api.http.post(
        "/graphql",
        json={"query": START, "variables": {"tenant": world.global_id, "scope": "prod"}},
        headers={
            "Authorization": f"Bearer {world.token()}",
            **({"traceparent": traceparent} if traceparent else {}),
        },
    )
    return GlobalId.decode(response.json()["data"]["startInventorySync"]["run"]["id"]).uuid_key()


@asynccontextmanager
async def traced(settings: Settings) -> AsyncIterator[tuple[RunningApi, Tracer, Tracer]]:
    """The API, and the tracers of maintenance and worker; all spans are sent at the end."""
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(running_api(settings))
        tracers = [
            await stack.enter_async_context(open_tracer(settings, process))
            for process in ("maintenance", "worker")
        ]
        yield api, tracers[0], tracers[1]


async def state(world: World, run_id: UUID) -> OperationRun:
    return (await world.read(reading.by_ids, await world.access(), [run_id]))[run_id]


async def send_and_work(
    world: World, redis_url: str, run_id: UUID, relay: Tracer, runner: RunRunner
) -> None:
    """Relay the run over a real stream to a worker, and wait for its end."""
    broker = RunBroker(redis_url, queue_name=f"test-{uuid4()}", block=0.05)
    register_task(broker, runner)
    send = sender(broker, relay)

    async def send_own(dispatches: Sequence[Dispatch]) -> None:
        await send([d for d in dispatches if d.tenant_id == world.tenant_id])

    async def is_over() -> bool:
        return (await state(world, run_id)).is_terminal

    await broker.startup()
    receiver = Receiver(
        broker, ack_type=AcknowledgeType.WHEN_RECEIVED, max_async_tasks=2, run_startup=False
    )
    stop = asyncio.Event()
    listening = asyncio.create_task(receiver.listen(stop))
    try:
        while await run_maintenance(world).relay(send_own, tenant_concurrency=TENANT_CONCURRENCY):
            pass
        await until(is_over)
    finally:
        stop.set()
        await listening
        await broker.shutdown()


def runner_of(
    world: World, tracer: Tracer, producers: Mapping[str, Any] | None = None
) -> RunRunner:
    producers = producers or load_producers()
    return RunRunner(
        world.claimer, producers, lease=LEASE, run_timeout=timedelta(minutes=1), tracer=tracer
    )


def outline(spans: Sequence[Collected]) -> list[tuple[str, str]]:
    return [(one.service, one.span.name) for one in spans]


async def test_one_trace_leads_from_the_request_to_the_producer(
    world: World, settings: Settings, collected: Collector, servers: EmbeddedServers
) -> None:
    export(world, policy("a"))
    async with traced(settings) as (api, relay, worker):
        run_id = await start(api, world, f"00-{TRACE}-{SPAN}-01")
        await send_and_work(world, servers.redis_url, run_id, relay, runner_of(world, worker))
    spans = collected.spans
    assert outline(spans) == [
        ("opsrun-api", "mutation StartOne"),
        ("opsrun-maintenance", "send inventory.sync"),
        ("opsrun-worker", "run inventory.sync"),
    ]
    assert {one.span.trace_id.hex() for one in spans} == {TRACE}
    parents = [one.span.parent_span_id.hex() for one in spans]
    assert parents == [SPAN, *(one.span.span_id.hex() for one in spans[:-1])]
    # No other attributes, in particular no documents and no variables.
    assert [one.attributes for one in spans] == [
        {"graphql.operation.type": "mutation", "graphql.operation.name": "StartOne"},
        message_about(run_id, "send"),
        {**message_about(run_id, "process"), "opsrun.run.attempt": 1},
    ]


def message_about(run_id: UUID, operation: str) -> dict[str, str]:
    """Return the attributes of a message by OpenTelemetry's conventions."""
    return {
        "messaging.system": "redis",
        "messaging.operation.type": operation,
        "messaging.operation.name": operation,
        "messaging.destination.name": "opsrun",
        "messaging.message.id": str(run_id),
        "opsrun.run.id": str(run_id),
    }


@pytest.mark.parametrize(
    ("sampler", "flag", "is_traced"), [("on", "00", True), ("off", "01", False)]
)
async def test_whether_a_client_is_traced_is_the_operators_decision(
    world: World,
    settings: Settings,
    collected: Collector,
    servers: EmbeddedServers,
    monkeypatch: pytest.MonkeyPatch,
    sampler: str,
    flag: str,
    is_traced: bool,
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", f"parentbased_always_{sampler}")
    export(world, policy("a"))
    async with traced(settings) as (api, relay, worker):
        run_id = await start(api, world, f"00-{TRACE}-{SPAN}-{flag}")
        await send_and_work(world, servers.redis_url, run_id, relay, runner_of(world, worker))
    assert [one.span.trace_id.hex() for one in collected.spans] == [TRACE] * 3 * is_traced


async def test_a_rescued_run_goes_on_in_its_trace(
    world: World, settings: Settings, collected: Collector, servers: EmbeddedServers
) -> None:
    export(world, policy("a"))
    async with traced(settings) as (api, relay, worker):
        run_id = await start(api, world, None)
        assert await world.claimer.claim(world.tenant_id, run_id, LEASE)
        await lose_worker(world, run_id)
        await world.write(
            "UPDATE opsrun.outbox SET not_before = clock_timestamp() WHERE tenant_id = :tenant_id"
        )
        await send_and_work(world, servers.redis_url, run_id, relay, runner_of(world, worker))
    spans = collected.spans
    assert [one.span.name for one in spans][-1] == "run inventory.sync"
    assert spans[-1].attributes["opsrun.run.attempt"] == 2
    (trace,) = {one.span.trace_id.hex() for one in spans}
    assert trace != TRACE


async def test_the_text_of_an_exception_is_not_exported(
    world: World, settings: Settings, collected: Collector
) -> None:
    async def fail(_: RunExecution) -> None:
        raise OSError(SECRET)

    async with open_tracer(settings, "worker") as tracer:
        started = await world.start()
        runner = runner_of(world, tracer, {Scripted.run_type: Scripted(fail)})
        await runner.execute("inventory.sync", world.tenant_id, started.run.id)
    (one,) = collected.spans
    assert one.span.status.message == "INTERNAL_ERROR"
    assert SECRET.encode() not in b"".join(collected.bodies)


@pytest.mark.parametrize("traceparent", ["00-zz-zz-01", "x" * 5000, ""])
async def test_a_malformed_traceparent_is_ignored(
    world: World, settings: Settings, collected: Collector, traceparent: str
) -> None:
    async with traced(settings) as (api, _, _):
        await start(api, world, traceparent)
    (one,) = collected.spans
    assert one.span.parent_span_id == b""


async def test_without_a_collector_runs_have_no_trace(world: World) -> None:
    await world.start()
    ((traceparent,),) = await world.rows(
        "SELECT traceparent FROM opsrun.operation_run WHERE tenant_id = :tenant_id"
    )
    assert traceparent is None


class Results(SpanExporter):
    def __init__(self, *results: SpanExportResult) -> None:
        self._results = list(results)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self._results.pop(0)


def test_an_unavailable_collector_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    well, away = SpanExportResult.SUCCESS, SpanExportResult.FAILURE
    exporter = LogOutageOnce(Results(well, away, away, away, well, well))
    with caplog.at_level(logging.INFO, "opsrun.telemetry.span_export"):
        for _ in range(6):
            exporter.export([])
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


async def test_a_silent_collector_does_not_delay_the_shutdown(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(span_export, "STOP_SECONDS", 0.1)
    monkeypatch.setattr(span_export, "EXPORT_SECONDS", 0.5)
    requested = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requested.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        silent = Settings.model_validate(
            {**settings.model_dump(), "otlp_endpoint": f"http://127.0.0.1:{port}"}
        )
        async with asyncio.timeout(5):
            async with open_tracer(silent, "api") as tracer:
                tracer.start_span("one").end()
            await requested.wait()


async def test_processes_send_their_last_spans_before_they_end(
    installation: Installation, place: World, collected: Collector
) -> None:
    export(place, policy("a"))
    to_collector = {"OTLP_ENDPOINT": collected.endpoint}
    async with (
        process(installation, "worker", **to_collector) as worker,
        process(installation, "maintenance", **to_collector) as maintenance,
    ):
        started = await start_sync(place)

        async def is_over() -> bool:
            return (await state(place, started.run.id)).is_terminal

        await until(is_over)
        for one in (maintenance, worker):
            assert (await one.stop())[0] == 0
    spans = [
        one for one in collected.spans if one.attributes["opsrun.run.id"] == str(started.run.id)
    ]
    assert outline(spans) == [
        ("opsrun-maintenance", "send inventory.sync"),
        ("opsrun-worker", "run inventory.sync"),
    ]
    assert len({one.span.trace_id for one in spans}) == 1
