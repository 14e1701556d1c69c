"""A list subscription with many subscribers: messages, openings, and saturation."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import asyncpg

from bench.events import NOTIFY, EventWriter, open_event_writer
from bench.processes import BROADCAST, GRAPHQL_WS, OPSRUN, PLAIN, Server, available, running
from bench.report import Table, ratio
from bench.stage import LIVE, Stage
from bench.subscribers import Subscribers, open_subscribers
from bench.timing import by_turns, medians

SERVERS = (BROADCAST, GRAPHQL_WS, PLAIN, OPSRUN)
_EVENTS_PER_SECOND, _SATURATING_EVENTS_PER_SECOND = 4.0, 20.0
# A turn is longer than those of other groups.
_MOST_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Turn:
    """What one server did for all subscribers in one turn, or the medians of several."""

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
    offered_per_second: float
    generator_share: float
    """The part of a core that the load generator used at the normal rate."""


async def measure_live(stage: Stage) -> list[Table]:
    """Measure messages, openings and saturation of each server by turns."""
    database = await asyncpg.connect(stage.servers.superuser_url)
    await database.execute(NOTIFY)
    await database.close()
    async with (
        open_subscribers(stage, stage.scale.subscribers) as subscribers,
        open_event_writer(stage.servers, LIVE) as writer,
        running(stage.servers, available(SERVERS)) as servers,
    ):
        works = [partial(_turn, stage, subscribers, writer, server) for server in servers]
        results = await by_turns(works, min(_MOST_ROUNDS, stage.scale.rounds))
    names = [server.name for server in servers]
    return _tables(stage, dict(zip(names, map(medians, results), strict=True)))


async def _turn(
    stage: Stage, subscribers: Subscribers, writer: EventWriter, server: Server
) -> Turn:
    count, seconds = stage.scale.subscribers, stage.scale.live_seconds
    opening = await subscribers.open(server, count)
    await subscribers.begin()
    used = server.cpu_seconds
    events = await writer.write(_EVENTS_PER_SECOND, seconds)
    await subscribers.arrive(events * count)
    messages = server.cpu_seconds - used
    normal = await subscribers.result()
    if not normal["messages"]:
        raise RuntimeError(f"No message arrived from {server.name}.")
    await subscribers.begin()
    offered = count * await writer.write(_SATURATING_EVENTS_PER_SECOND, seconds / 2)
    saturated = await subscribers.result()
    await subscribers.close(server)
    return Turn(
        opening_ms=1000 * opening / count,
        message_us=1e6 * messages / normal["messages"],
        p50_ms=normal["p50"],
        p99_ms=normal["p99"],
        delivered=normal["messages"] / (events * count),
        saturated_per_second=saturated["messages"] / (seconds / 2),
        offered_per_second=offered / (seconds / 2),
        generator_share=normal["cpu"] / seconds,
    )


def _tables(stage: Stage, turns: Mapping[str, Turn]) -> list[Table]:
    limit, peer = turns[BROADCAST], turns.get(GRAPHQL_WS)
    messages = [
        (
            name,
            each.message_us,
            ratio(each.message_us, limit.message_us),
            ratio(each.message_us, peer.message_us if peer else 0),
            each.p50_ms,
            each.p99_ms,
            ratio(each.p99_ms, limit.p99_ms),
            f"{each.delivered:.0%}",
        )
        for name, each in turns.items()
    ]
    openings = [
        (
            name,
            each.opening_ms,
            ratio(each.opening_ms, peer.opening_ms if peer else 0),
            each.saturated_per_second,
            each.offered_per_second,
        )
        for name, each in turns.items()
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
            f"At the limit, the load generator used {limit.generator_share:.0%} of a core.",
        ),
        Table(
            f"{count}: opening, and {_SATURATING_EVENTS_PER_SECOND:.0f} events/s",
            ("server", "CPU ms to open", "of graphql-ws", "messages/s", "offered"),
            openings,
        ),
    ]
