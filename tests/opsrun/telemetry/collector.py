"""A trace collector."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import uvicorn
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


@dataclass(slots=True)
class Collected:
    """One span as it arrived."""

    service: str
    span: Span

    @property
    def attributes(self) -> dict[str, object]:
        """The span's attributes."""
        return {
            item.key: getattr(item.value, str(item.value.WhichOneof("value")))
            for item in self.span.attributes
        }


@dataclass(slots=True)
class Collector:
    """All requests to one address."""

    endpoint: str
    bodies: list[bytes] = field(default_factory=list)

    @property
    def spans(self) -> list[Collected]:
        """All spans, in the order of their start."""
        spans = [
            Collected(service.value.string_value, span)
            for body in self.bodies
            for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for service in of_resource.resource.attributes
            if service.key == "service.name"
            for of_scope in of_resource.scope_spans
            for span in of_scope.spans
        ]
        return sorted(spans, key=lambda one: one.span.start_time_unix_nano)


@asynccontextmanager
async def collector() -> AsyncIterator[Collector]:
    """Collect traces until the context closes."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    collected = Collector(f"http://127.0.0.1:{listener.getsockname()[1]}")

    async def take(request: Request) -> Response:
        collected.bodies.append(await request.body())
        return Response()

    app = Starlette(routes=[Route("/v1/traces", take, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve([listener]))
    try:
        yield collected
    finally:
        server.should_exit = True
        await serving
