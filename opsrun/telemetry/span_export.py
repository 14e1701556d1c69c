"""Sends spans to a collector over OTLP/HTTP, in batches from a thread of their own.

A collector that is away costs nobody anything but spans: what does not fit into the queue
meanwhile is dropped, and the log says once that it is away and once that it is back.
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

# Seconds that one batch may take, with its retries.
EXPORT_SECONDS = 5.0
# Seconds that a stopping process waits for the last spans to leave.
STOP_SECONDS = 2.0

logger = logging.getLogger(__name__)


@asynccontextmanager
async def exported(endpoint: str, process: str) -> AsyncIterator[Tracer]:
    """Return the tracer of a kind of process; `endpoint` is the collector's base URL."""
    # It tells of every batch and retry.
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
    """Samples as if it was first to decide: whether a client is traced is not for it to say."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    def should_sample(
        self, parent_context: Context | None, trace_id: int, *span: Any, **more: Any
    ) -> SamplingResult:
        return self._sampler.should_sample(Context(), trace_id, *span, **more)

    def get_description(self) -> str:
        return self._sampler.get_description()


class LogOutageOnce(SpanExporter):
    """An exporter that tells the log when it begins to fail, and when it no longer does."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._is_away = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        is_away = result is SpanExportResult.FAILURE
        if is_away and not self._is_away:
            logger.warning("The trace collector takes no spans; they are dropped until it does")
        elif self._is_away and not is_away:
            logger.info("The trace collector is back")
        self._is_away = is_away
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


async def _stop(provider: TracerProvider) -> None:
    """Send what is left; a thread that nobody waits for, since that may take long."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()

    def stop() -> None:
        provider.shutdown()
        with suppress(RuntimeError):  # the loop is closed: we were not waited for
            loop.call_soon_threadsafe(stopped.set)

    threading.Thread(target=stop, name="last spans", daemon=True).start()
    with suppress(TimeoutError):
        async with asyncio.timeout(STOP_SECONDS):
            await stopped.wait()
