"""Start one large run through the API, and measure the worker that executes it."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bench.cpu import resident_bytes
from bench.processes import Server
from bench.stage import Stage
from tests.client import Client

_RUN = """query ($run: ID!) { node(id: $run) { ... on OperationRun {
  status startedAt finishedAt counts { total succeeded failed skipped } } } }"""
_PAUSE, _PATIENCE = 0.1, 600.0


@dataclass(frozen=True, slots=True)
class Took:
    """What one piece of work took, or the medians of several."""

    seconds: float
    """For a run, from its claim to its end."""
    cpu_seconds: float
    """Of the process that did it, without Postgres; 0 if Postgres did everything."""
    postgres_cpu_seconds: float = 0.0
    over_idle_bytes: float = 0.0
    """The most memory of the worker, above what it has when it is idle."""


@dataclass(frozen=True, slots=True)
class Executor:
    """A tenant's scope, and the only worker."""

    _stage: Stage
    _client: Client
    _worker: Server
    _tenant: str
    idle_bytes: int = 0

    async def execute(self, mutation: str, scope: str) -> tuple[Took, dict[str, int]]:
        """Execute a run; return its figures and its counts.

        Raises:
            RuntimeError: the run did not start or did not complete.
        """
        peak, used = self.resident_bytes, self._worker.cpu_seconds
        postgres_used = self._stage.servers.postgres_cpu_seconds
        data = await self._client.data(mutation, tenant=self._tenant, scope=scope)
        [started] = data.values()
        if started["run"] is None:
            raise RuntimeError(f"The run was not started: {started['userErrors']}")
        async with asyncio.timeout(_PATIENCE):
            while (run := await self._read(started["run"]["id"]))["finishedAt"] is None:
                await asyncio.sleep(_PAUSE)
                peak = max(peak, self.resident_bytes)
        if run["status"] != "completed":
            raise RuntimeError(f"The run did not complete: {run}")
        took = Took(
            seconds=(_time(run["finishedAt"]) - _time(run["startedAt"])).total_seconds(),
            cpu_seconds=self._worker.cpu_seconds - used,
            postgres_cpu_seconds=self._stage.servers.postgres_cpu_seconds - postgres_used,
            over_idle_bytes=peak - self.idle_bytes,
        )
        return took, run["counts"]

    @property
    def resident_bytes(self) -> int:
        """The memory of the worker now."""
        return resident_bytes(self._worker.pid)

    async def _read(self, run: str) -> dict[str, Any]:
        node: dict[str, Any] = (await self._client.data(_RUN, run=run))["node"]
        return node


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
