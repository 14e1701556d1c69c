"""What the neighbour sees: answers, messages and runs, and how long each takes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

from bench.neighbour.clients import PAGE, START, WATCH, Socket, ask, http_client, open_socket
from bench.neighbour.stage import NEIGHBOUR, PROBE, Member, Stage

_QUERY_PAUSE = 0.02
_RUN_PAUSE = 0.3


@dataclass(slots=True)
class Seen:
    """Seconds that things took, by kind, and what went wrong."""

    queries: list[float] = field(default_factory=list)
    openings: list[float] = field(default_factory=list)
    messages: list[float] = field(default_factory=list)
    runs: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def add(self, other: "Seen") -> None:
        """Take over what another measurement saw."""
        for name in ("queries", "openings", "messages", "runs", "faults"):
            getattr(self, name).extend(getattr(other, name))


def p99(seconds: list[float]) -> float:
    """Return the 99th percentile; infinity if there is nothing."""
    if not seconds:
        return float("inf")
    return sorted(seconds)[min(len(seconds) - 1, int(len(seconds) * 0.99))]


class Probe:
    """The neighbour's clients, which stay connected from one measurement to the next."""

    def __init__(self, stage: Stage, member: Member, live: Socket) -> None:
        self._stage = stage
        self._member = member
        self._live = live
        self._seen = Seen()
        self._ended: dict[str, asyncio.Event] = {}

    async def measure(self, seconds: float) -> Seen:
        """Ask, subscribe and start runs for so long."""
        seen = self._seen = Seen()
        # With points of their own, for this asks more often than a person does.
        self._member = await self._stage.new_member(NEIGHBOUR)
        try:
            async with asyncio.timeout(seconds), asyncio.TaskGroup() as tasks:
                for work in (self._query, self._open, self._run):
                    tasks.create_task(self._repeat(work))
        except TimeoutError:
            pass
        return seen

    async def listen(self) -> None:
        """Note how late each message of the live subscription comes."""
        while True:
            event = (await self._live.receive())["payload"]["data"]["operationRuns"]
            if event["__typename"] != "OperationRunChanged":
                continue
            committed = datetime.fromisoformat(event["occurredAt"])
            self._seen.messages.append((datetime.now(UTC) - committed).total_seconds())
            if event["run"]["isTerminal"]:
                self._ended.setdefault(event["run"]["id"], asyncio.Event()).set()

    async def _repeat(self, work: Any) -> None:
        while True:
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - whatever it is, the neighbour suffers
                self._seen.faults.append(f"{work.__name__}: {error!r}")
                await asyncio.sleep(_RUN_PAUSE)

    async def _query(self) -> None:
        member = self._member
        async with http_client(self._stage.url, member.headers) as http:
            while True:
                began = perf_counter()
                await ask(http, PAGE, t=member.tenant)
                self._seen.queries.append(perf_counter() - began)
                await asyncio.sleep(_QUERY_PAUSE)

    async def _open(self) -> None:
        member = self._member
        began = perf_counter()
        async with open_socket(self._stage.url, member.headers) as socket:
            await socket.subscribe(WATCH, t=member.tenant)
            await socket.receive()
            self._seen.openings.append(perf_counter() - began)
        await asyncio.sleep(_RUN_PAUSE)

    async def _run(self) -> None:
        member = self._member
        async with http_client(self._stage.url, member.headers) as http:
            while True:
                began = perf_counter()
                payload = (await ask(http, START, t=member.tenant, s=PROBE))["startInventorySync"]
                await self._ended.setdefault(payload["run"]["id"], asyncio.Event()).wait()
                self._seen.runs.append(perf_counter() - began)
                await asyncio.sleep(_RUN_PAUSE)


@asynccontextmanager
async def open_probe(stage: Stage) -> AsyncIterator[Probe]:
    """Connect the neighbour's clients."""
    member = await stage.new_member(NEIGHBOUR)
    async with open_socket(stage.url, member.headers) as live:
        await live.subscribe(WATCH, t=member.tenant)
        probe = Probe(stage, member, live)
        listening = asyncio.create_task(probe.listen())
        try:
            yield probe
        finally:
            listening.cancel()
