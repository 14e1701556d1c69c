"""A list subscription with many subscribers: messages, openings, saturation, and silence."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from statistics import median
from typing import Any

import asyncpg

from bench.cpu import resident_bytes
from bench.documents import LIVE as DOCUMENT
from bench.events import NOTIFY, EventWriter, open_event_writer
from bench.load.process import Generator, open_generator
from bench.processes import BROADCAST, GRAPHQL_WS, OPSRUN, PLAIN, Server, available, running
from bench.report import Table, ratio
from bench.stage import LIVE, Stage
from bench.tenants import member_tokens
from bench.timing import by_turns

_SERVERS = (BROADCAST, GRAPHQL_WS, PLAIN, OPSRUN)
# WebSockets of one user, as browser tabs would open them.
_EACH = 20
_EVENTS_PER_SECOND, _SATURATING_EVENTS_PER_SECOND = 4.0, 20.0
_ROUNDS = 3
# Seconds for the last messages to arrive.
_GRACE = 2.0
# Seconds for a server to finish with the openings.
_SETTLE_SECONDS = 5.0
_WARM_UP = 20
_LOAD = "bench.load.websockets"


@dataclass(frozen=True, slots=True)
class Turn:
    """What one server did for all subscribers in one turn."""

    opening_ms: float
    """CPU of the server for each opened subscription."""
    message_us: float
    """CPU of the server for each delivered message."""
    p50_ms: float
    """From shortly before the commit to the client."""
    p99_ms: float
    delivered: float
    """The part of the messages that arrived, at the normal rate."""
    saturated_per_second: float
    """Messages that arrived in each second at the high rate."""
    asked_per_second: float
    generator_share: float
    """The part of a core that the load generator used at the normal rate."""


@dataclass(frozen=True, slots=True)
class _Subscribers:
    """The load generator with the subscription of each member."""

    generator: Generator
    variables: dict[str, Any]
    tokens: list[str]

    async def open(self, server: Server, count: int) -> None:
        """Open subscriptions, and wait until each has its first message."""
        await self.generator.call(
            "open",
            port=server.port,
            tokens=[*islice(cycle(self.tokens), count)],
            query={"query": DOCUMENT, "variables": self.variables},
        )

    async def close(self, server: Server) -> None:
        """Close all subscriptions, and wait until the server has finished with it."""
        await self.generator.call("close")
        await server.wait_until_quiet()

    async def arrive(self, messages: int) -> None:
        """Wait until that many messages have arrived, at most for the time of grace."""
        for _ in range(round(_GRACE / 0.1)):
            if await self.generator.call("count") >= messages:
                return
            await asyncio.sleep(0.1)

    async def result(self) -> Any:
        """Return the figures since `begin`; raise if a server closed a subscription."""
        result = await self.generator.call("result")
        if result["lost"]:
            raise RuntimeError(f"The server closed {result['lost']} subscriptions.")
        return result


async def _subscribers(stage: Stage, generator: Generator, count: int) -> _Subscribers:
    tokens = await member_tokens(stage.servers.maintenance, LIVE, math.ceil(count / _EACH))
    return _Subscribers(generator, {"tenant": stage.global_id(LIVE)}, tokens)


async def measure_live(stage: Stage) -> list[Table]:
    """Measure messages, openings and saturation of each server by turns."""
    database = await asyncpg.connect(stage.servers.superuser_url)
    await database.execute(NOTIFY)
    await database.close()
    async with (
        open_generator(_LOAD) as generator,
        open_event_writer(stage.servers, LIVE) as writer,
        running(stage.servers, available(_SERVERS)) as servers,
    ):
        subscribers = await _subscribers(stage, generator, stage.scale.subscribers)
        works = [partial(_turn, stage, subscribers, writer, server) for server in servers]
        results = await by_turns(works, min(_ROUNDS, stage.scale.rounds))
    names = [server.name for server in servers]
    return _tables(stage, dict(zip(names, results, strict=True)))


async def _turn(
    stage: Stage, subscribers: _Subscribers, writer: EventWriter, server: Server
) -> Turn:
    count, seconds = stage.scale.subscribers, stage.scale.live_seconds
    used = server.cpu_seconds
    await subscribers.open(server, count)
    opening = server.cpu_seconds - used
    await subscribers.generator.call("begin")
    used = server.cpu_seconds
    events = await writer.write(_EVENTS_PER_SECOND, seconds)
    await subscribers.arrive(events * count)
    messages = server.cpu_seconds - used
    normal = await subscribers.result()
    if not normal["messages"]:
        raise RuntimeError(f"No message arrived from {server.name}.")
    await subscribers.generator.call("begin")
    asked = count * await writer.write(_SATURATING_EVENTS_PER_SECOND, seconds / 2)
    saturated = await subscribers.result()
    await subscribers.close(server)
    return Turn(
        opening_ms=1000 * opening / count,
        message_us=1e6 * messages / normal["messages"],
        p50_ms=normal["p50"],
        p99_ms=normal["p99"],
        delivered=normal["messages"] / (events * count),
        saturated_per_second=saturated["messages"] / (seconds / 2),
        asked_per_second=asked / (seconds / 2),
        generator_share=normal["cpu"] / seconds,
    )


def _tables(stage: Stage, turns: dict[str, Sequence[Turn]]) -> list[Table]:
    def figure(name: str, field: str) -> float:
        return float(median(getattr(turn, field) for turn in turns[name]))

    def of(base: str, name: str, field: str) -> float | None:
        return ratio(figure(name, field), figure(base, field)) if base in turns else None

    messages = [
        (
            name,
            figure(name, "message_us"),
            of(BROADCAST, name, "message_us"),
            of(GRAPHQL_WS, name, "message_us"),
            figure(name, "p50_ms"),
            figure(name, "p99_ms"),
            of(BROADCAST, name, "p99_ms"),
            f"{figure(name, 'delivered'):.0%}",
        )
        for name in turns
    ]
    openings = [
        (
            name,
            figure(name, "opening_ms"),
            of(GRAPHQL_WS, name, "opening_ms"),
            figure(name, "saturated_per_second"),
            figure(name, "asked_per_second"),
        )
        for name in turns
    ]
    count = f"{stage.scale.subscribers} subscribers"
    return [
        Table(
            f"{count}, {_EVENTS_PER_SECOND:.0f} events/s",
            (
                *("server", "CPU µs a message", "of the broadcast", "of graphql-ws"),
                *("p50 ms", "p99 ms", "of the broadcast", "delivered"),
            ),
            messages,
            f"The load generator used {figure(BROADCAST, 'generator_share'):.0%} of a core.",
        ),
        Table(
            f"{count}: opening, and {_SATURATING_EVENTS_PER_SECOND:.0f} events/s",
            ("server", "CPU ms to open", "of graphql-ws", "messages/s", "asked"),
            openings,
        ),
    ]


async def measure_idle(stage: Stage) -> list[Table]:
    """Measure the CPU and memory of subscribers to which nothing happens."""
    rows = []
    async with open_generator(_LOAD) as generator:
        count = stage.scale.idle_subscribers
        subscribers = await _subscribers(stage, generator, count)
        for name in available(_SERVERS):
            async with running(stage.servers, [name]) as [server]:
                rows.append((name, *await _idle(stage, subscribers, server)))
    return [Table(f"{count:,} idle subscribers", ("server", "% of a core", "KB each"), rows)]


async def _idle(stage: Stage, subscribers: _Subscribers, server: Server) -> tuple[float, float]:
    """Return the percentage of a core and the KB of memory for each subscriber."""
    count, seconds = stage.scale.idle_subscribers, stage.scale.idle_seconds
    await subscribers.open(server, _WARM_UP)
    await subscribers.close(server)
    memory = resident_bytes(server.pid)
    await subscribers.open(server, count)
    await asyncio.sleep(min(_SETTLE_SECONDS, seconds))
    used = server.cpu_seconds
    await asyncio.sleep(seconds)
    used = server.cpu_seconds - used
    memory = resident_bytes(server.pid) - memory
    await subscribers.result()
    await subscribers.close(server)
    return 100 * used / seconds, memory / count / 1000
