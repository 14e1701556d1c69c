"""The observation of operations: spans, metrics and the ids of log lines."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from prometheus_client import CollectorRegistry, generate_latest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from domain.tenancy.session import DatabaseUnavailableError
from gql.metrics import MOST_OPERATIONS, OTHER, ApiMetrics, Telemetry
from tests.client import EVENTS
from tests.gql.api import RunningApi, eventually
from tests.gql.runs.watching import WATCH_RUN, WATCH_RUNS, claim, queue
from tests.gql.transport.demo import PATH, client, serve
from tests.logs import collect_logs
from tests.world import World

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
OPERATIONS = "opsrun_operation_seconds_count"


@dataclass(frozen=True, slots=True)
class Seen:
    """The demo server with its spans and metrics."""

    http: httpx.AsyncClient
    registry: CollectorRegistry
    exporter: InMemorySpanExporter

    async def ask(self, query: str, **headers: str) -> httpx.Response:
        return await self.http.post(PATH, json={"query": query}, headers=headers)

    def value(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0

    def times(self, operation: str, kind: str, outcome: str) -> float:
        return self.value(OPERATIONS, operation=operation, type=kind, outcome=outcome)

    @asynccontextmanager
    async def websocket(self, user: str) -> AsyncIterator[ClientConnection]:
        """Connect as `user`, with a trace parent."""
        async with connect(
            f"ws://{self.http.base_url.netloc.decode()}{PATH}",
            subprotocols=[Subprotocol("graphql-transport-ws")],
            additional_headers={"traceparent": TRACEPARENT},
            proxy=None,
        ) as websocket:
            init = {"type": "connection_init", "payload": {"authorization": user}}
            await websocket.send(json.dumps(init))
            yield websocket

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())


@pytest.fixture
async def seen() -> AsyncIterator[Seen]:
    registry, exporter = CollectorRegistry(), InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    telemetry = Telemetry(ApiMetrics(registry), provider.get_tracer("test"))
    async with serve(telemetry=telemetry) as demo, client(demo) as http:
        yield Seen(http, registry, exporter)


class TestSpans:
    async def test_one_per_operation_and_none_per_field(self, seen: Seen) -> None:
        await seen.ask("query Twice { a: hello b: hello }", traceparent=TRACEPARENT)
        (span,) = seen.spans
        assert (span.name, span.kind) == ("query Twice", SpanKind.SERVER)
        assert span.parent is not None
        assert f"00-{span.parent.trace_id:032x}-{span.parent.span_id:016x}-01" == TRACEPARENT
        assert dict(span.attributes or {}) == {
            "graphql.operation.type": "query",
            "graphql.operation.name": "Twice",
        }

    async def test_an_internal_error_is_a_failed_span_and_a_refusal_is_not(
        self, seen: Seen
    ) -> None:
        await seen.ask('query Broken { mayFail(code: "INTERNAL") }')
        await seen.ask('query Refused { mayFail(code: "FORBIDDEN") }')
        broken, refused = seen.spans
        assert not broken.status.is_ok
        assert refused.status.is_unset
        assert (broken.events, refused.events) == ((), ())

    async def test_an_unreadable_document_has_a_span_too(self, seen: Seen) -> None:
        await seen.ask("{ hello")
        (span,) = seen.spans
        assert (span.name, dict(span.attributes or {})) == ("GraphQL", {})

    async def test_the_span_of_a_subscription_ends_with_its_first_result(self, seen: Seen) -> None:
        query = "subscription Counting { count(to: 1000000) }"
        async with seen.http.stream(
            "POST", PATH, json={"query": query}, headers={"Accept": EVENTS}
        ) as response:
            await anext(response.aiter_lines())
            await eventually(lambda: len(seen.spans) == 1)
        assert seen.spans[0].name == "subscription Counting"

    async def test_each_operation_on_a_websocket_begins_a_trace(self, seen: Seen) -> None:
        async with seen.websocket("ada") as websocket:
            for number in "12":
                payload = {"query": "query Short { hello }"}
                await websocket.send(
                    json.dumps({"id": number, "type": "subscribe", "payload": payload})
                )
            await eventually(lambda: len(seen.spans) == 2)
        assert [span.parent for span in seen.spans] == [None, None]
        assert seen.times("Short", "query", "ok") == 2


class TestMeasurements:
    async def test_count_each_operation_with_its_outcome(self, seen: Seen) -> None:
        await seen.ask("query Mine { hello }")
        await seen.ask('query Mine { mayFail(code: "FORBIDDEN") }')
        await seen.ask('query Mine { mayFail(code: "INTERNAL") }')
        await seen.ask('mutation Renaming { rename(name: "a") }')
        await seen.ask("{ hello }")
        assert seen.times("Mine", "query", "ok") == 1
        assert seen.times("Mine", "query", "refused") == 1
        assert seen.times("Mine", "query", "failed") == 1
        assert seen.times("Renaming", "mutation", "ok") == 1
        assert seen.times(OTHER, "query", "ok") == 1

    async def test_count_each_code_once_per_answer(self, seen: Seen) -> None:
        def errors(code: str) -> float:
            return seen.value("opsrun_errors_total", code=code)

        await seen.ask('{ a: mayFail(code: "NOT_FOUND") b: mayFail(code: "NOT_FOUND") }')
        await seen.ask("{ hello }", Authorization="")
        await seen.ask("{ hello")
        await seen.http.put(PATH)
        async with seen.websocket("") as websocket:
            await websocket.wait_closed()
        assert errors("NOT_FOUND") == 1
        assert errors("UNAUTHENTICATED") == 2
        assert errors("BAD_USER_INPUT") == 2

    async def test_count_an_outage_before_any_operation_begins(
        self, api: RunningApi, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def away(*_: object, **__: object) -> None:
            raise DatabaseUnavailableError("gone")

        def errors() -> float | None:
            return api.registry.get_sample_value("opsrun_errors_total", {"code": "UNAVAILABLE"})

        before = errors()
        assert before is not None, "a rate does not see what a series begins with"
        monkeypatch.setattr(api.cases.tenancy, "principal", away)
        member = api.member(world)
        assert (await member.ask("{ viewer { id } }")).status == 503
        with pytest.raises(ConnectionClosed):
            async with member.websocket():
                pytest.fail("no operation was admitted")
        assert errors() == before + 2

    async def test_give_a_bounded_number_of_names_a_label(self, seen: Seen) -> None:
        await asyncio.gather(*(seen.ask(f"query Bad{n} {{ nothing }}") for n in range(20)))
        for number in range(MOST_OPERATIONS + 20):
            await seen.ask(f"query Named{number} {{ hello }}")
        await seen.ask(f"query {'x' * 65} {{ hello }}")
        assert seen.times(f"Named{MOST_OPERATIONS - 1}", "query", "ok") == 1
        assert seen.times(f"Named{MOST_OPERATIONS}", "query", "ok") == 0
        assert seen.times(OTHER, "query", "ok") == 21
        assert seen.times(OTHER, "query", "refused") == 20
        assert b"Bad" not in generate_latest(seen.registry)

    async def test_a_get_that_turns_into_a_stream_is_counted_once(self, seen: Seen) -> None:
        query = {"query": "subscription Short { count(to: 1) }"}
        accept = f"application/json, {EVENTS};q=0.9"
        await seen.http.get(PATH, params=query, headers={"Accept": accept})
        assert seen.times("Short", "subscription", "ok") == 1
        assert len(seen.spans) == 2, "the refused attempt has its own span"

    @pytest.mark.usefixtures("often")
    async def test_show_subscribers_and_their_delivery_lag(
        self, api: RunningApi, world: World, transport: str
    ) -> None:
        def value(name: str, **labels: str) -> float:
            return api.registry.get_sample_value(name, {"transport": transport, **labels}) or 0.0

        def watchers() -> tuple[float, float]:
            return (
                value("opsrun_subscribers", field="operationRuns"),
                value("opsrun_open_connections"),
            )

        def heard() -> float:
            return value("opsrun_delivery_lag_seconds_count", field="operationRuns")

        def late() -> float:
            return value("opsrun_delivery_lag_seconds_sum", field="operationRuns")

        # Subscriptions of earlier tests may still be ending.
        await eventually(lambda: watchers() == (0, 0))
        before, late_before = heard(), late()
        async with api.member(world).subscribe(
            transport, WATCH_RUNS, {"tenant": world.global_id}
        ) as stream:
            await stream.next()
            assert watchers() == (1, 1)
            await queue(world)
            await stream.until(lambda event: event["__typename"] == "OperationRunChanged")
            await eventually(lambda: heard() == before + 1)
            assert 0 <= late() - late_before < 20
        await eventually(lambda: watchers() == (0, 0))

    async def test_missed_events_do_not_count_as_late(
        self, api: RunningApi, world: World, transport: str
    ) -> None:
        def heard() -> float:
            return sum(
                sample.value
                for metric in api.registry.collect()
                for sample in metric.samples
                if sample.name == "opsrun_delivery_lag_seconds_count"
                and sample.labels["field"] == "operationRun"
            )

        client, run = api.member(world), await queue(world)
        async with client.subscribe(transport, WATCH_RUN, {"id": run}) as stream:
            cursor = (await stream.next())["cursor"]
        before = heard()
        await (await claim(world, run)).finish()
        async with client.subscribe(transport, WATCH_RUN, {"id": run, "after": cursor}) as stream:
            assert len(await stream.rest()) == 2
        assert heard() == before


class TestLogLines:
    async def test_carry_the_request_and_its_trace(self, seen: Seen) -> None:
        with collect_logs("gql") as log:
            await seen.ask(
                'query Broken { mayFail(code: "INTERNAL") }',
                **{"X-Request-Id": "mine-1", "traceparent": TRACEPARENT},
            )
        (span,) = seen.spans
        assert log.ids_of("Unexpected error") == {
            "request_id": "mine-1",
            "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
            "span_id": f"{span.context.span_id:016x}",
        }

    async def test_carry_the_tenant(
        self, api: RunningApi, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def fail(*_: object, **__: object) -> None:
            raise RuntimeError

        monkeypatch.setattr(api.cases.transactions, "read", fail)
        run = await queue(world)
        with collect_logs("gql") as log:
            await api.member(world).ask("query($id: ID!) { node(id: $id) { id } }", {"id": run})
        ids = log.ids_of("Unexpected error")
        assert ids["tenant_id"] == str(world.tenant_id)
        assert ids["request_id"]
