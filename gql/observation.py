"""One span and one measurement per operation, over every transport; none per field.

The span and the latency of a subscription end with its first result, since a span is exported only
after its end. Each operation on a WebSocket begins its own trace. Neither spans nor metrics hold a
document, a variable or the text of an exception.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from time import perf_counter

from graphql import FieldNode, OperationDefinitionNode
from opentelemetry.context import Context
from opentelemetry.trace import (
    Span,
    SpanKind,
    StatusCode,
    format_span_id,
    format_trace_id,
    use_span,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import Gauge, Histogram

from domain.errors import ErrorCode
from domain.log_context import log_context
from gql.errors import PublicError
from gql.metrics import LONGEST_NAME, OTHER
from gql.request import Request

_OUR_FAULTS = (ErrorCode.INTERNAL, ErrorCode.UNAVAILABLE)
_TRACES = TraceContextTextMapPropagator()


class Observation:
    """The measurements of one operation; `observed` makes it."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.began_at = datetime.now(UTC)
        # The operation, once it is chosen from its document, and its cost.
        self.node: OperationDefinitionNode | None = None
        self.cost: int | None = None
        # The field of a running subscription.
        self.field: str | None = None
        self.is_answered = False
        self._lag: Histogram | None = None
        self._started = perf_counter()
        parent = Context()
        if request.traceparent:
            parent = _TRACES.extract({"traceparent": request.traceparent}, parent)
        self.span: Span = request.telemetry.tracer.start_span(
            "GraphQL", context=parent, kind=SpanKind.SERVER
        )
        self._has_ended = False

    def answered(self, errors: Sequence[PublicError]) -> None:
        """Measure the first answer and end the span; ignore later answers."""
        node = self.node
        if self.is_answered or node is None:
            return
        self.is_answered = True
        name, kind = node.name.value if node.name else None, node.operation.value
        outcome = _outcome(errors)
        metrics = self.request.telemetry.metrics
        label = metrics.name_of(name, succeeded=outcome == "ok")
        metrics.operations.labels(label, kind, outcome).observe(perf_counter() - self._started)
        self.span.update_name(kind if label == OTHER else f"{kind} {label}")
        self.span.set_attribute("graphql.operation.type", kind)
        if name is not None:
            self.span.set_attribute("graphql.operation.name", name[:LONGEST_NAME])
        if outcome == "failed":
            self.span.set_status(StatusCode.ERROR)
        self._end_span()

    def subscribed(self) -> None:
        """Count a subscriber until the operation ends."""
        assert self.node is not None
        first = self.node.selection_set.selections[0]
        # The document is valid, so the name is a field of the schema.
        self.field = first.name.value if isinstance(first, FieldNode) else OTHER
        self._subscribers(self.field).inc()
        request = self.request
        self._lag = request.telemetry.metrics.delivery.labels(request.transport, self.field)

    def delivered(self, committed_at: datetime | None) -> None:
        """Measure the delivery of an event that was committed then, and has just been sent."""
        # Without a commit time, or with an earlier one, the client was not connected yet.
        if self._lag is not None and committed_at is not None and committed_at >= self.began_at:
            # The clocks of the database and of this server may differ a little.
            self._lag.observe(max((datetime.now(UTC) - committed_at).total_seconds(), 0.0))

    def end(self) -> None:
        """End the span, and stop counting the subscriber."""
        if self.field is not None:
            self._subscribers(self.field).dec()
        self._end_span()

    def _end_span(self) -> None:
        if not self._has_ended:
            self._has_ended = True
            self.span.end()

    def _subscribers(self, field: str) -> Gauge:
        return self.request.telemetry.metrics.subscribers.labels(self.request.transport, field)


def _outcome(errors: Sequence[PublicError]) -> str:
    if not errors:
        return "ok"
    return "failed" if any(error.code in _OUR_FAULTS for error in errors) else "refused"


@contextmanager
def observed(request: Request) -> Iterator[Observation]:
    """Observe one operation of `request` within the block, and log its trace and span."""
    observation = request.observation = Observation(request)
    trace = observation.span.get_span_context()
    try:
        if not trace.is_valid:  # tracing is off
            yield observation
            return
        with (
            log_context(
                trace_id=format_trace_id(trace.trace_id), span_id=format_span_id(trace.span_id)
            ),
            use_span(observation.span, record_exception=False, set_status_on_exception=False),
        ):
            yield observation
    finally:
        request.observation = None
        observation.end()
