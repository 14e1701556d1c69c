"""WebSocket load: many subscribers with one subscription each (graphql-transport-ws)."""

import asyncio
import re
import struct
from datetime import datetime
from statistics import median, quantiles
from time import process_time, time
from typing import Any, cast

import orjson

from bench.load.process import serve

# Any key is valid, and no browser is here to check the answer to it.
UPGRADE = b"""\
GET /graphql HTTP/1.1\r
Host: 127.0.0.1\r
Connection: Upgrade\r
Upgrade: websocket\r
Sec-WebSocket-Version: 13\r
Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r
Sec-WebSocket-Protocol: graphql-transport-ws\r
\r
"""
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10
_FINAL, _MASKED = 0x80, 0x80
_COMMITTED = re.compile(rb'"occurredAt" ?: ?"([^"]+)"')
_AT_A_TIME = 10
_OPENING_SECONDS = 120.0


class Subscriber(asyncio.Protocol):
    """A WebSocket with one subscription; it appends the delay of each event to `delays`."""

    _transport: asyncio.Transport

    def __init__(self, token: str, query: dict[str, Any], delays: list[float]) -> None:
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._delays = delays
        self._replies = {
            b"connection_init": {
                "type": "connection_init",
                "payload": {"Authorization": f"Bearer {token}"},
            },
            b"connection_ack": {"type": "subscribe", "id": "1", "payload": query},
        }
        self._received = bytearray()
        self._upgraded = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(UPGRADE)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._upgraded:
            head, end, rest = self._received.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self._fail(bytes(head))
                return
            self._upgraded, self._received = True, bytearray(rest)
            self._reply(b"connection_init")
        for kind, payload in frames(self._received):
            self._take(kind, payload)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(b"The server closed the connection.")

    @property
    def is_connected(self) -> bool:
        """Whether neither side has closed it."""
        return not self._transport.is_closing()

    def close(self) -> None:
        """Leave without a closing handshake."""
        self._transport.abort()

    def _take(self, kind: int, payload: bytes) -> None:
        if kind == _PING:
            self._transport.write(frame(_PONG, payload))
        elif kind == _CLOSE:
            self._fail(b"The server closed the WebSocket: " + payload[2:])
        elif committed := _COMMITTED.search(payload):
            moment = datetime.fromisoformat(committed[1].decode())
            self._delays.append(time() - moment.timestamp())
        elif b'"connection_ack"' in payload:
            self._reply(b"connection_ack")
        elif b'"ping"' in payload:
            self._transport.write(frame(_TEXT, b'{"type":"pong"}'))
        elif b'"next"' not in payload or b'"errors"' in payload:
            self._fail(payload)
        elif not self.opened.done():
            self.opened.set_result(None)

    def _reply(self, to: bytes) -> None:
        self._transport.write(frame(_TEXT, orjson.dumps(self._replies[to])))

    def _fail(self, problem: bytes) -> None:
        if not self.opened.done():
            self.opened.set_exception(RuntimeError(problem.decode(errors="replace")))
        self._transport.close()


def frames(received: bytearray) -> list[tuple[int, bytes]]:
    """Remove the complete frames of a server from the bytes; return kind and payload of each."""
    complete: list[tuple[int, bytes]] = []
    position = 0
    while len(received) - position >= 2:
        length, start = received[position + 1], position + 2
        if length >= 126:
            size = 2 if length == 126 else 8
            length, start = int.from_bytes(received[start : start + size]), start + size
        if len(received) < start + length:
            break
        kind = received[position] ^ _FINAL
        assert kind < _FINAL, "The server sent a message in parts."
        complete.append((kind, bytes(received[start : start + length])))
        position = start + length
    del received[:position]
    return complete


def frame(kind: int, payload: bytes) -> bytes:
    """Return a client's frame; its mask of zeros leaves the payload as it is."""
    size = len(payload)
    length = bytes([_MASKED | size]) if size < 126 else struct.pack("!BH", _MASKED | 126, size)
    return bytes([_FINAL | kind]) + length + bytes(4) + payload


class Subscribers:
    """All subscribers of this process."""

    def __init__(self) -> None:
        self._members: list[Subscriber] = []
        self._delays: list[float] = []
        self._cpu = 0.0

    async def open(self, port: int, tokens: list[str], query: dict[str, Any]) -> None:
        """Open a subscription for each token; return when each has its first message."""
        connect = asyncio.get_running_loop().create_connection
        turn = asyncio.Semaphore(_AT_A_TIME)

        async def subscribe(token: str) -> None:
            async with turn:
                member = Subscriber(token, query, self._delays)
                await connect(lambda: member, "127.0.0.1", port)
                await member.opened
                self._members.append(member)

        async with asyncio.timeout(_OPENING_SECONDS), asyncio.TaskGroup() as group:
            for token in tokens:
                group.create_task(subscribe(token))

    async def begin(self) -> None:
        """Forget what was received until now."""
        self._delays.clear()
        self._cpu = process_time()

    async def count(self) -> int:
        """Return the number of events received since `begin`."""
        return len(self._delays)

    async def result(self) -> dict[str, Any]:
        """Return the events received since `begin`, their delays in ms, and more."""
        delays = [1000 * delay for delay in self._delays]
        return {
            "messages": len(delays),
            "p50": median(delays) if delays else None,
            "p99": quantiles(delays, n=100, method="inclusive")[-1] if delays[1:] else None,
            "lost": sum(not member.is_connected for member in self._members),
            "cpu": process_time() - self._cpu,
        }

    async def close(self) -> None:
        """Close all subscriptions."""
        for member in self._members:
            member.close()
        self._members.clear()


if __name__ == "__main__":
    subscribers = Subscribers()
    serve(
        {name: getattr(subscribers, name) for name in ("open", "begin", "count", "result", "close")}
    )
