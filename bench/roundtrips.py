"""Count SQL round trips at the wire: a proxy between a process and Postgres.

Postgres ends its answer to each round trip with one ReadyForQuery, whether the client sent one
message or several. So a BEGIN and a query that travel together count once.
"""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

_READY_FOR_QUERY = ord("Z")
_HEAD = struct.Struct("!BI")
_CHUNK = 1 << 16
# The only answer without a length, to a request for TLS.
_NO_TLS = b"N"


class RoundTrips:
    """A proxy on `port` that counts the round trips of all its connections."""

    def __init__(self, host: str, port: int) -> None:
        self.count = 0
        self.port = 0
        self._target = host, port

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection."""
        server_reader, server_writer = await asyncio.open_connection(*self._target)
        try:
            with suppress(OSError):
                await asyncio.gather(
                    _forward(reader, server_writer), self._count(server_reader, writer)
                )
        finally:
            writer.close()
            server_writer.close()

    async def _count(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pending = bytearray()
        is_first = True
        while data := await reader.read(_CHUNK):
            writer.write(data)
            if is_first and data == _NO_TLS:
                continue
            is_first = False
            pending += data
            self.count += _take_messages(pending).count(_READY_FOR_QUERY)
        writer.close()


def _take_messages(pending: bytearray) -> list[int]:
    """Remove the complete messages; return their types."""
    types, position = [], 0
    while len(pending) - position >= _HEAD.size:
        kind, length = _HEAD.unpack_from(pending, position)
        if len(pending) < position + 1 + length:
            break
        types.append(kind)
        position += 1 + length
    del pending[:position]
    return types


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
    writer.close()


@asynccontextmanager
async def counted_round_trips(host: str, port: int) -> AsyncIterator[RoundTrips]:
    """Run the proxy to Postgres at this address until the context closes."""
    round_trips = RoundTrips(host, port)
    async with await asyncio.start_server(round_trips.serve, "127.0.0.1", 0) as server:
        round_trips.port = server.sockets[0].getsockname()[1]
        yield round_trips
