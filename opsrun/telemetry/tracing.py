"""Traces. The OpenTelemetry SDK is imported only if a collector is configured."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from opentelemetry.trace import NoOpTracer, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from opsrun.settings import Settings


def current_traceparent() -> str | None:
    """Return the W3C `traceparent` of the current span; None without a span."""
    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent")


@asynccontextmanager
async def open_tracer(settings: Settings, process: str) -> AsyncIterator[Tracer]:
    """Open a tracer for a kind of process; without OPSRUN_OTLP_ENDPOINT it records nothing."""
    if settings.otlp_endpoint is None:
        yield NoOpTracer()
        return
    from opsrun.telemetry.span_export import exported

    async with exported(str(settings.otlp_endpoint), process) as tracer:
        yield tracer
