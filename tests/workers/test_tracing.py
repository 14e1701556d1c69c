"""The spans of messages and attempts hide the text of exceptions, and log lines name them."""

from uuid import uuid4

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from domain.log_context import log_ids
from domain.runs.execution import RunExecution
from domain.runs.failures import FailureReason, ProducerError
from domain.runs.models import Dispatch
from tests.workers.scripted import Scripted, execute, runner_of
from tests.world import World
from workers.tracing import attempt, sending

SECRET = "Dragon#471"


class Traced:
    """A tracer, and its only span."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = provider.get_tracer("test")

    @property
    def span(self) -> ReadableSpan:
        (span,) = self._exporter.get_finished_spans()
        return span


def test_a_failed_dispatch_hides_the_text() -> None:
    traced = Traced()
    dispatch = Dispatch(1, uuid4(), uuid4(), "inventory.sync")
    with pytest.raises(RuntimeError), sending(traced.tracer, dispatch):
        raise RuntimeError(SECRET)
    assert SECRET not in traced.span.to_json()


async def test_a_failed_attempt_hides_the_text(world: World) -> None:
    traced, execution = Traced(), await world.start_and_claim()
    with pytest.raises(RuntimeError), attempt(traced.tracer, execution):
        raise RuntimeError(SECRET)
    assert SECRET not in traced.span.to_json()


async def test_an_attempts_log_lines_name_its_span(world: World) -> None:
    traced, execution = Traced(), await world.start_and_claim()
    with attempt(traced.tracer, execution):
        ids = log_ids()
    context = traced.span.context
    assert ids["trace_id"] == f"{context.trace_id:032x}"
    assert ids["span_id"] == f"{context.span_id:016x}"


@pytest.mark.parametrize("method", ["finish", "fail"])
async def test_an_attempt_without_a_recorded_end_hides_the_text(
    world: World, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    async def work(_: RunExecution) -> None:
        if method == "fail":
            raise ProducerError(FailureReason.SCOPE_NOT_FOUND, "Unknown scope.")

    async def refuse(*_: object, **__: object) -> None:
        raise RuntimeError(f"cannot encode {SECRET}")

    traced, started = Traced(), await world.start()
    runner = runner_of(world, Scripted(work), tracer=traced.tracer)
    monkeypatch.setattr(RunExecution, method, refuse)
    await execute(runner, started)
    assert SECRET not in traced.span.to_json()
    assert traced.span.status.status_code is StatusCode.ERROR
    assert traced.span.status.description == FailureReason.INTERNAL_ERROR
