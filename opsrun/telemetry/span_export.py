"""Sends spans to a collector over OTLP/HTTP, in batches from a separate thread.

While the collector is unavailable, spans that do not fit into the queue are dropped. The log
reports each outage once, and its end once.
"""

import asyncio
import logging
import os
import socket
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import Sampler, SamplingResult
from opentelemetry.trace import Tracer

from domain.outages import Outage

# Seconds for a batch, including retries.
EXPORT_SECONDS = 5.0
# Seconds that a stopping process waits for its last spans.
STOP_SECONDS = 2.0

logger = logging.getLogger(__name__)


@asynccontextmanager
async def exported(endpoint: str, process: str) -> AsyncIterator[Tracer]:
    """Yield the tracer of a kind of process; `endpoint` is the collector's base URL."""
    # The SDK logs every failed batch and retry.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    resource = Resource.create(
        {
            "service.name": f"opsrun-{process}",
            "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
        }
    )
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    if process == "api":
        provider.sampler = IgnoreRemoteParent(provider.sampler)
    sender = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_SECONDS)
    provider.add_span_processor(BatchSpanProcessor(LogOutageOnce(sender)))
    try:
        yield provider.get_tracer("opsrun")
    finally:
        await _stop(provider)


class IgnoreRemoteParent(Sampler):
    """Samples as if there were no parent, because a client must not decide what is traced."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    def should_sample(
        self, parent_context: Context | None, trace_id: int, *span: Any, **more: Any
    ) -> SamplingResult:
        return self._sampler.should_sample(Context(), trace_id, *span, **more)

    def get_description(self) -> str:
        return self._sampler.get_description()


class LogOutageOnce(SpanExporter):
    """Logs when exports begin to fail, and when they succeed again."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._outage = Outage(
            logger,
            lost="The trace collector accepts no spans; they are dropped until it does",
            back="The trace collector is back",
        )

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        if result is SpanExportResult.FAILURE:
            self._outage.failed()
        else:
            self._outage.recovered()
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


async def _stop(provider: TracerProvider) -> None:
    """Send the last spans from a daemon thread, and wait for it up to `STOP_SECONDS`."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()

    def stop() -> None:
        provider.shutdown()
        with suppress(RuntimeError):  # the loop is closed already
            loop.call_soon_threadsafe(stopped.set)

    threading.Thread(target=stop, name="last spans", daemon=True).start()
    with suppress(TimeoutError):
        async with asyncio.timeout(STOP_SECONDS):
            await stopped.wait()
