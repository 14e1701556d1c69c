"""The neighbour's clients: they time queries, subscriptions, messages and runs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from time import perf_counter

from bench.neighbour.clients import FEED, PAGE, START, Member, result
from bench.neighbour.stage import NEIGHBOUR, PROBE, Stage
from tests.client import WebSocket

_QUERY_PAUSE = 0.02
_RUN_PAUSE = 0.3


@dataclass(slots=True)
class Measurements:
    """Durations in seconds by kind, and the errors."""

    queries: list[float] = field(default_factory=list)
    openings: list[float] = field(default_factory=list)
    messages: list[float] = field(default_factory=list)
    runs: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def add(self, other: "Measurements") -> None:
        """Append the other's values."""
        for each in fields(self):
            getattr(self, each.name).extend(getattr(other, each.name))


def p99(seconds: list[float]) -> float:
    """Return the 99th percentile; infinity if the list is empty."""
    if not seconds:
        return float("inf")
    return sorted(seconds)[min(len(seconds) - 1, int(len(seconds) * 0.99))]


class Probe:
    """The neighbour's clients, which stay connected between measurements."""

    def __init__(self, stage: Stage, member: Member, live: WebSocket) -> None:
        self._stage = stage
        self._member = member
        self._live = live
        self._current = Measurements()
        self._ended: dict[str, asyncio.Event] = {}

    async def measure(self, seconds: float) -> Measurements:
        """Query, subscribe and start runs for that many seconds."""
        current = self._current = Measurements()
        # A new member has a full budget. The probe spends more than a person does.
        self._member = await self._stage.new_member(NEIGHBOUR)
        try:
            async with asyncio.timeout(seconds), asyncio.TaskGroup() as tasks:
                for work in (self._query, self._open, self._run):
                    tasks.create_task(self._repeat(work))
        except TimeoutError:
            pass
        return current

    async def listen(self) -> None:
        """Record the delay of each message of the live subscription."""
        while True:
            event = (await result(self._live))["payload"]["data"]["operationRuns"]
            if event["__typename"] != "OperationRunChanged":
                continue
            committed = datetime.fromisoformat(event["occurredAt"])
            self._current.messages.append((datetime.now(UTC) - committed).total_seconds())
            if event["run"]["isTerminal"]:
                self._ended.setdefault(event["run"]["id"], asyncio.Event()).set()

    async def _repeat(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - every error is a result
                self._current.errors.append(f"{work.__name__}: {error!r}")
                await asyncio.sleep(_RUN_PAUSE)

    async def _query(self) -> None:
        member = self._member
        async with member.client() as client:
            while True:
                began = perf_counter()
                await client.data(PAGE, t=member.tenant)
                self._current.queries.append(perf_counter() - began)
                await asyncio.sleep(_QUERY_PAUSE)

    async def _open(self) -> None:
        member = self._member
        began = perf_counter()
        async with member.websocket() as websocket:
            await websocket.subscribe(FEED, {"t": member.tenant})
            await result(websocket)
            self._current.openings.append(perf_counter() - began)
        await asyncio.sleep(_RUN_PAUSE)

    async def _run(self) -> None:
        member = self._member
        async with member.client() as client:
            while True:
                began = perf_counter()
                data = await client.data(START, t=member.tenant, s=PROBE)
                run_id = data["startInventorySync"]["run"]["id"]
                await self._ended.setdefault(run_id, asyncio.Event()).wait()
                self._current.runs.append(perf_counter() - began)
                await asyncio.sleep(_RUN_PAUSE)


@asynccontextmanager
async def open_probe(stage: Stage) -> AsyncIterator[Probe]:
    """Connect the neighbour's clients."""
    member = await stage.new_member(NEIGHBOUR)
    async with member.websocket() as live:
        await live.subscribe(FEED, {"t": member.tenant})
        probe = Probe(stage, member, live)
        listening = asyncio.create_task(probe.listen())
        try:
            yield probe
        finally:
            listening.cancel()
