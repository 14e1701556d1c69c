"""Carry a run's trace from the outbox through the broker to the worker."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from uuid import UUID

from opentelemetry.context import attach, detach
from opentelemetry.trace import SpanKind, Tracer, format_span_id, format_trace_id
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from domain.log_context import log_context
from domain.runs.execution import RunExecution
from domain.runs.models import Dispatch
from workers.names import QUEUE

LABEL = "traceparent"
_TRACES = TraceContextTextMapPropagator()


def _messaging(operation: str, run_id: UUID) -> dict[str, str]:
    """Return the attributes of a messaging span.

    A message only names a run, so the run's id is that of each message about it. Source:
    OpenTelemetry's semantic conventions for messaging spans.
    """
    return {
        "messaging.system": "redis",
        "messaging.operation.type": operation,
        "messaging.operation.name": operation,
        "messaging.destination.name": QUEUE,
        "messaging.message.id": str(run_id),
        "opsrun.run.id": str(run_id),
    }


@contextmanager
def sending(tracer: Tracer, dispatch: Dispatch) -> Iterator[dict[str, str]]:
    """Open the span of a message; yield the labels with which its receiver continues it."""
    carrier = {LABEL: dispatch.traceparent} if dispatch.traceparent else {}
    labels: dict[str, str] = {}
    with tracer.start_as_current_span(
        f"send {dispatch.run_type}",
        context=_TRACES.extract(carrier),
        kind=SpanKind.PRODUCER,
        attributes=_messaging("send", dispatch.run_id),
        # The text of an exception may hold secrets, which only the log redacts.
        record_exception=False,
        set_status_on_exception=False,
    ):
        _TRACES.inject(labels)
        yield {name: value for name, value in labels.items() if name == LABEL}


@contextmanager
def continued(labels: Mapping[str, object]) -> Iterator[None]:
    """Continue the trace in a message's labels, if there is one."""
    token = attach(_TRACES.extract({LABEL: str(labels.get(LABEL, ""))}))
    try:
        yield
    finally:
        detach(token)


@contextmanager
def attempt(tracer: Tracer, execution: RunExecution) -> Iterator[None]:
    """Open the span of an attempt, and log its trace and span."""
    run = execution.run
    with tracer.start_as_current_span(
        f"run {run.run_type}",
        kind=SpanKind.CONSUMER,
        attributes={
            **_messaging("process", run.id),
            "opsrun.run.attempt": execution.lease.attempt,
        },
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        trace = span.get_span_context()
        if not trace.is_valid:  # tracing is off
            yield
            return
        with log_context(
            trace_id=format_trace_id(trace.trace_id), span_id=format_span_id(trace.span_id)
        ):
            yield
