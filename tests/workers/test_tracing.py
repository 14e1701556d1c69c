"""The spans of messages and attempts tell nothing of an exception's text."""

from uuid import uuid4

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from domain.runs.execution import RunExecution
from domain.runs.failures import FailureReason, ProducerError
from domain.runs.models import Dispatch
from tests.workers.scripted import MINUTE, Scripted, execute
from tests.world import LEASE, World
from workers.runner import RunRunner
from workers.tracing import attempt, sending

SECRET = "Dragon#471"


class Traced:
    """A tracer, and the one span that it made."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = provider.get_tracer("test")

    @property
    def span(self) -> ReadableSpan:
        (span,) = self._exporter.get_finished_spans()
        return span


def test_a_message_that_was_not_sent() -> None:
    traced = Traced()
    dispatch = Dispatch(1, uuid4(), uuid4(), "inventory.sync")
    with pytest.raises(RuntimeError), sending(traced.tracer, dispatch):
        raise RuntimeError(SECRET)
    assert SECRET not in traced.span.to_json()


async def test_an_attempt_that_was_broken_off(world: World) -> None:
    traced, started = Traced(), await world.start()
    execution = await world.claimer.claim(world.tenant_id, started.run.id, LEASE)
    assert execution is not None
    with pytest.raises(RuntimeError), attempt(traced.tracer, execution):
        raise RuntimeError(SECRET)
    assert SECRET not in traced.span.to_json()


@pytest.mark.parametrize("method", ["finish", "fail"])
async def test_an_attempt_whose_end_could_not_be_written(
    world: World, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    async def work(_: RunExecution) -> None:
        if method == "fail":
            raise ProducerError(FailureReason.SCOPE_NOT_FOUND, "There is no such scope.")

    async def refuse(*_: object, **__: object) -> None:
        raise RuntimeError(f"cannot encode {SECRET}")

    traced, started = Traced(), await world.start()
    runner = RunRunner(
        world.claimer, [Scripted(work)], lease=LEASE, run_timeout=MINUTE, tracer=traced.tracer
    )
    monkeypatch.setattr(RunExecution, method, refuse)
    await execute(runner, started)
    assert SECRET not in traced.span.to_json()
    assert traced.span.status.status_code is StatusCode.ERROR
    assert traced.span.status.description == FailureReason.INTERNAL_ERROR
