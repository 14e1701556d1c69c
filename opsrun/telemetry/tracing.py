"""Traces, if there is a collector to send them to; the SDK is imported only then."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from opentelemetry.trace import NoOpTracer, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from opsrun.settings import Settings


def current_traceparent() -> str | None:
    """Return what names the span that is open now (W3C Trace Context); None without one."""
    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent")


@asynccontextmanager
async def open_tracer(settings: Settings, process: str) -> AsyncIterator[Tracer]:
    """Open the way to the collector; without OPSRUN_OTLP_ENDPOINT nothing is traced."""
    if settings.otlp_endpoint is None:
        yield NoOpTracer()
        return
    from opsrun.telemetry.span_export import exported

    async with exported(str(settings.otlp_endpoint), process) as tracer:
        yield tracer
