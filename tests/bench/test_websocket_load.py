"""The WebSocket load generator, against the server of the websockets package."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from bench.load.websockets import UPGRADE, Subscribers, frame, frames

QUERY = {"query": "subscription"}
FIRST: dict[str, Any] = {"operationRuns": {"__typename": "FeedReset"}}


class Feed:
    """A GraphQL server with one subscription."""

    def __init__(self) -> None:
        self.port = 0
        self.tokens: list[str] = []
        self.members: list[ServerConnection] = []
        self.first: dict[str, Any] = {"type": "next", "payload": {"data": FIRST}}

    async def serve(self, connection: ServerConnection) -> None:
        init = json.loads(await connection.recv())
        self.tokens.append(init["payload"]["Authorization"])
        await connection.send('{"type":"connection_ack"}')
        assert json.loads(await connection.recv())["payload"] == QUERY
        await connection.send(json.dumps(self.first))
        self.members.append(connection)
        await connection.wait_closed()

    async def publish(self, age: timedelta, **more: str) -> None:
        """Send an event of this age to all members."""
        event = {"occurredAt": (datetime.now(UTC) - age).isoformat(), **more}
        for member in self.members:
            await member.send(json.dumps({"type": "next", "payload": {"data": event}}))


@asynccontextmanager
async def serving() -> AsyncIterator[Feed]:
    feed = Feed()
    protocols = [Subprotocol("graphql-transport-ws")]
    async with serve(feed.serve, "127.0.0.1", 0, subprotocols=protocols) as server:
        feed.port = next(iter(server.sockets)).getsockname()[1]
        yield feed


async def until(subscribers: Subscribers, name: str, count: int) -> None:
    """Wait until a figure of the result has this value."""
    async with asyncio.timeout(10):
        while (await subscribers.result())[name] < count:  # noqa: ASYNC110 - no event to wait for
            await asyncio.sleep(0.005)


async def test_it_measures_the_delay_of_each_event_at_each_subscriber() -> None:
    subscribers = Subscribers()
    async with serving() as feed:
        await subscribers.open(feed.port, ["one", "two"], QUERY)
        assert sorted(feed.tokens) == ["Bearer one", "Bearer two"]
        await subscribers.begin()
        # The lengths of short, longer and very long messages are written differently.
        for size in (0, 1000, 70_000):
            await feed.publish(timedelta(seconds=5), more="x" * size)
        await until(subscribers, "messages", 6)
        result = await subscribers.result()
        assert result["messages"] == 6
        assert 5000 <= result["p50"] <= result["p99"] < 8000
        assert result["lost"] == 0
        await subscribers.close()


async def test_it_forgets_earlier_events() -> None:
    subscribers = Subscribers()
    async with serving() as feed:
        await subscribers.open(feed.port, ["one"], QUERY)
        await feed.publish(timedelta(0))
        await until(subscribers, "messages", 1)
        await subscribers.begin()
        assert (await subscribers.result())["messages"] == 0
        await subscribers.close()


async def test_it_answers_pings_of_both_protocols() -> None:
    subscribers = Subscribers()
    async with serving() as feed:
        await subscribers.open(feed.port, ["one"], QUERY)
        [member] = feed.members
        async with asyncio.timeout(10):
            await (await member.ping())
            await member.send('{"type":"ping"}')
            assert json.loads(await member.recv()) == {"type": "pong"}
        await subscribers.close()


async def test_it_counts_subscriptions_that_the_server_closed() -> None:
    subscribers = Subscribers()
    async with serving() as feed:
        await subscribers.open(feed.port, ["one", "two"], QUERY)
        await feed.members[0].close()
        await until(subscribers, "lost", 1)
        await subscribers.close()


async def test_a_refused_subscription_ends_the_benchmark() -> None:
    subscribers = Subscribers()
    async with serving() as feed:
        feed.first = {"type": "error", "payload": [{"message": "Not here."}]}
        with pytest.raises(ExceptionGroup) as raised:
            await subscribers.open(feed.port, ["one"], QUERY)
    assert raised.group_contains(RuntimeError, match="Not here")


def test_frames_are_taken_as_they_become_complete() -> None:
    text = b"\x81\x05hello"
    long = b"\x81\x7e\x01\x00" + b"x" * 256
    received = bytearray()
    taken = []
    for number in range(len(text + long)):
        received.append((text + long)[number])
        taken += frames(received)
    assert taken == [(1, b"hello"), (1, b"x" * 256)]
    assert received == b""


@pytest.mark.parametrize("size", [0, 125, 126, 65_535])
async def test_a_server_reads_frames_of_any_length(size: int) -> None:
    received = asyncio.get_running_loop().create_future()

    async def read(connection: ServerConnection) -> None:
        received.set_result(await connection.recv())

    async with serve(read, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(UPGRADE.replace(b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n", b""))
        await reader.readuntil(b"\r\n\r\n")
        writer.write(frame(1, b"x" * size))
        async with asyncio.timeout(10):
            assert await received == "x" * size
        writer.close()
