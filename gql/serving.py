"""Whom the API serves just now, and what it tells about that: a context variable.

It spares every layer between the transport and the resolvers an argument that it would only
pass on. Tasks inherit it, so an operation on a socket finds the socket's.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from opentelemetry.trace import NoOpTracer, Tracer

from domain.errors import ErrorCode
from domain.log_context import log_context
from gql.metrics import ApiMetrics


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Where the API's metrics and traces go; nowhere, if nothing else is said."""

    metrics: ApiMetrics = field(default_factory=lambda: ApiMetrics(None))
    tracer: Tracer = field(default_factory=NoOpTracer)


@dataclass(slots=True)
class Serving:
    """One request or socket."""

    telemetry: Telemetry
    transport: str = "http"
    traceparent: str | None = None

    def refused(self, codes: Iterable[ErrorCode]) -> None:
        """Count an answer with errors, by their codes."""
        for code in set(codes):
            self.telemetry.metrics.errors.labels(code.value).inc()

    @contextmanager
    def connection(self) -> Iterator[None]:
        """Count a long connection while it is open."""
        gauge = self.telemetry.metrics.connections.labels(self.transport)
        with gauge.track_inprogress():
            yield


_serving: ContextVar[Serving] = ContextVar("serving", default=Serving(Telemetry()))  # noqa: B039


def serving() -> Serving:
    """Return what is being served."""
    return _serving.get()


@contextmanager
def serve(served: Serving, request_id: str) -> Iterator[None]:
    """Serve it within the block."""
    token = _serving.set(served)
    try:
        with log_context(request_id=request_id):
            yield
    finally:
        _serving.reset(token)
