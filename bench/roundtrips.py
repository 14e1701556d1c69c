"""Count SQL round trips at the wire: a proxy between a process and Postgres.

A round trip begins when the client sends something after the server's last answer. So a BEGIN and
a query that travel together count once, and preparing a statement counts as well.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

_CHUNK = 1 << 16


class RoundTrips:
    """A proxy on `port` that counts the round trips of all its connections."""

    def __init__(self, host: str, port: int) -> None:
        self.count = 0
        self.port = 0
        self._target = host, port

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection."""
        server_reader, server_writer = await asyncio.open_connection(*self._target)
        is_answered = True

        async def send() -> None:
            nonlocal is_answered
            while data := await reader.read(_CHUNK):
                self.count += is_answered
                is_answered = False
                server_writer.write(data)
            server_writer.close()

        async def answer() -> None:
            nonlocal is_answered
            while data := await server_reader.read(_CHUNK):
                is_answered = True
                writer.write(data)
            writer.close()

        try:
            with suppress(OSError):
                await asyncio.gather(send(), answer())
        finally:
            writer.close()
            server_writer.close()


@asynccontextmanager
async def counted_round_trips(host: str, port: int) -> AsyncIterator[RoundTrips]:
    """Run the proxy to Postgres at this address until the context closes."""
    round_trips = RoundTrips(host, port)
    async with await asyncio.start_server(round_trips.serve, "127.0.0.1", 0) as server:
        round_trips.port = server.sockets[0].getsockname()[1]
        yield round_trips
