"""One span and one measurement per operation, whatever carries it; none per field.

A subscription's span and latency end with its first result: a span that stays open for hours
tells nobody anything until then. Over a socket, which lives as long, each operation begins a
trace of its own. Neither holds a document, a variable or the text of an exception.
"""

from collections.abc import Callable, Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from time import perf_counter

from graphql import FieldNode, GraphQLError
from graphql.utilities import get_operation_ast
from opentelemetry.trace import Span, SpanKind, StatusCode, format_trace_id, use_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import Gauge
from strawberry.extensions import SchemaExtension
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.execution import StreamExecutionResult

from domain.errors import ErrorCode
from domain.log_context import log_context
from gql.errors import PublicError, map_errors
from gql.metrics import LONGEST_NAME, OTHER
from gql.serving import Serving, serving

_OUR_FAULTS = (ErrorCode.INTERNAL, ErrorCode.UNAVAILABLE)
_TRACES = TraceContextTextMapPropagator()


class _Operation:
    """An operation as it is seen from outside."""

    def __init__(self, served: Serving) -> None:
        self.served = served
        self.began_at = datetime.now(UTC)
        self.field: str | None = None  # of a subscription that runs
        self.occurred_at: datetime | None = None
        self._started = perf_counter()
        carrier = {"traceparent": served.traceparent} if served.traceparent else {}
        self.span: Span = served.telemetry.tracer.start_span(
            "GraphQL", context=_TRACES.extract(carrier), kind=SpanKind.SERVER
        )
        self._is_answered = False
        self._has_ended = False

    def answered(self, context: ExecutionContext, errors: list[GraphQLError] | None) -> None:
        """Measure the first answer and end the span; there may be more answers."""
        document = context.graphql_document
        if self._is_answered or document is None:
            return
        node = get_operation_ast(document, context.operation_name)
        if node is None:
            return
        self._is_answered = True
        name, kind = node.name.value if node.name else None, node.operation.value
        outcome = _outcome(errors or [])
        metrics = self.served.telemetry.metrics
        shown = metrics.name_of(name, answered=outcome == "ok")
        metrics.operations.labels(shown, kind, outcome).observe(perf_counter() - self._started)
        self.span.update_name(kind if shown == OTHER else f"{kind} {shown}")
        self.span.set_attribute("graphql.operation.type", kind)
        if name is not None:
            self.span.set_attribute("graphql.operation.name", name[:LONGEST_NAME])
        if outcome == "failed":
            self.span.set_status(StatusCode.ERROR)
        self.ended()

    def subscribed(self, field: str) -> None:
        """Count a subscriber, until `left`."""
        self.field = field
        self._subscribers(field).inc()

    def left(self) -> None:
        """Leave nothing open."""
        if self.field is not None:
            self._subscribers(self.field).dec()
        self.ended()

    def ended(self) -> None:
        """End the span, once."""
        if not self._has_ended:
            self._has_ended = True
            self.span.end()

    def _subscribers(self, field: str) -> Gauge:
        return self.served.telemetry.metrics.subscribers.labels(self.served.transport, field)


def _outcome(errors: list[GraphQLError]) -> str:
    if not errors:
        return "ok"
    # What no one has mapped yet is nothing that we foresaw.
    ours = (not isinstance(error, PublicError) or error.code in _OUR_FAULTS for error in errors)
    return "failed" if any(ours) else "refused"


_operation: ContextVar[_Operation | None] = ContextVar("operation", default=None)


def mark_committed_at(occurred_at: datetime) -> None:
    """Say, in a subscription, when that was committed which it yields next."""
    if (operation := _operation.get()) is not None:
        operation.occurred_at = occurred_at


def delivery_timer() -> Callable[[], None]:
    """Return what to call when the result that a subscription has just yielded was sent."""
    operation = _operation.get()
    if operation is None or operation.field is None or operation.occurred_at is None:
        return noop
    occurred_at, operation.occurred_at = operation.occurred_at, None
    if occurred_at < operation.began_at:
        # The client was away meanwhile.
        return noop
    served = operation.served
    lag = served.telemetry.metrics.delivery.labels(served.transport, operation.field)
    # The database's clock and ours may differ a little.
    return lambda: lag.observe(max((datetime.now(UTC) - occurred_at).total_seconds(), 0.0))


def noop() -> None:
    """Measure nothing."""


class OperationObservation(SchemaExtension):
    """Watches operations; has to come before all that refuse them."""

    _observed: _Operation

    def on_operation(self) -> Iterator[None]:
        """Open the span, and close it unless a result did."""
        operation = self._observed = _Operation(serving())
        _operation.set(operation)
        trace = operation.span.get_span_context()
        ids = {"trace_id": format_trace_id(trace.trace_id)} if trace.is_valid else {}
        try:
            with (
                log_context(**ids),
                use_span(operation.span, record_exception=False, set_status_on_exception=False),
            ):
                yield
                if (result := self.execution_context.result) is not None:
                    operation.answered(self.execution_context, result.errors)
        finally:
            _operation.set(None)
            operation.left()

    def on_stream_result(self, result: StreamExecutionResult) -> Iterator[None]:
        """Take the first result of a stream for its answer."""
        if isinstance(result, ExecutionResult):
            map_errors(result)  # here first of all, so that every other extension sees them mapped
            self._observed.answered(self.execution_context, result.errors)
        yield

    def on_execute(self) -> Iterator[None]:
        """Count a subscription from here on."""
        context = self.execution_context
        if context.graphql_document is not None:
            node = get_operation_ast(context.graphql_document, context.operation_name)
            if node is not None and node.operation.value == "subscription":
                first = node.selection_set.selections[0]
                # A document that was found valid names a field of the schema here.
                name = first.name.value if isinstance(first, FieldNode) else OTHER
                self._observed.subscribed(name)
        yield
