"""Reads over HTTP: how many a second, and how much CPU each takes in the server and in Postgres."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.load.process import Generator
from bench.processes import Server
from bench.stage import Stage

PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class Reads:
    """The figures of one turn, or their medians."""

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    """CPU of the server process for each read."""
    postgres_cpu_ms: float
    generator_share: float
    """The part of a core that the load generator used."""

    @property
    def server_share(self) -> float:
        """The part of a core that the server used: 1 if nothing else limits it."""
        return self.per_second * self.cpu_ms / 1000


def request(token: str, query: str, variables: Mapping[str, Any]) -> str:
    """Return the bytes of a request as text; all of them are ASCII."""
    body = json.dumps({"query": query, "variables": variables})
    head = (
        "POST /graphql HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {token}",
        "Content-Type: application/json",
        "Accept: application/json",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join([*head, "", body])


async def answer(generator: Generator, server: Server, text: str) -> Any:
    """Send a request once; return the data of the answer."""
    return json.loads(await generator.call("answer", port=server.port, request=text))["data"]


async def measure_reads(
    stage: Stage, generator: Generator, server: Server, requests: Sequence[str]
) -> Reads:
    """Repeat each request on a separate connection for the seconds of the scale."""
    used, postgres_used = server.cpu_seconds, stage.servers.postgres_cpu_seconds
    result = await generator.call(
        "run", port=server.port, requests=requests, seconds=stage.scale.seconds
    )
    used, postgres_used = (
        server.cpu_seconds - used,
        stage.servers.postgres_cpu_seconds - postgres_used,
    )
    return Reads(
        per_second=result["requests"] / result["seconds"],
        p50_ms=result["p50"],
        p99_ms=result["p99"],
        cpu_ms=1000 * used / result["requests"],
        postgres_cpu_ms=1000 * postgres_used / result["requests"],
        generator_share=result["cpu"] / result["seconds"],
    )
