"""A pooler like PgBouncer, with one session per connection or shared sessions."""

import asyncio
import struct
from contextlib import suppress
from dataclasses import dataclass

from tests.listener import Listener

_SSL_REQUEST = struct.pack("!i", 80877103)
_MADE_UP = struct.pack("!ii", 1, 1)
# The authentication messages that a client answers.
_ASKS = {struct.pack("!i", kind) for kind in (3, 5, 10, 11)}


@dataclass(frozen=True, slots=True)
class _End:
    """One side of a connection in Postgres' protocol."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def read(self) -> tuple[bytes, bytes]:
        """Return the next message's kind and content."""
        kind = await self.reader.readexactly(1)
        return kind, await self.read_content()

    async def read_content(self) -> bytes:
        (length,) = struct.unpack("!i", await self.reader.readexactly(4))
        return await self.reader.readexactly(length - 4)

    def write(self, kind: bytes, content: bytes) -> None:
        self.writer.write(kind + struct.pack("!i", len(content) + 4) + content)


class Pooler(Listener):
    """Listens on `port`; with `shares`, a session goes back after each transaction."""

    def __init__(self, target: int, *, shares: bool) -> None:
        super().__init__()
        self._target = target
        self._shares = shares
        self._idle: list[_End] = []
        self.ends_at: bytes | None = None
        """Ends the connection of a client that sends a message with this content."""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = _End(reader, writer)
        self._stack.callback(writer.transport.abort)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await self._log_in(client)
            await self._talk(client)
        writer.close()

    async def _log_in(self, client: _End) -> None:
        """Give the client a separate session, without its process id."""
        while (startup := await client.read_content()) == _SSL_REQUEST:
            client.writer.write(b"N")
        server = _End(*await asyncio.open_connection("127.0.0.1", self._target))
        self._stack.callback(server.writer.transport.abort)
        server.write(b"", startup)
        kind = b""
        while kind != b"Z":
            kind, content = await server.read()
            client.write(kind, _MADE_UP if kind == b"K" else content)
            if kind == b"R" and content[:4] in _ASKS:
                server.write(*await client.read())
        self._idle.append(server)

    async def _talk(self, client: _End) -> None:
        server = relay = None
        while True:
            kind, content = await client.read()
            if kind == b"X" or (self.ends_at is not None and self.ends_at in content):
                return
            if server is None or relay is None or relay.done():
                server = self._idle.pop()
                relay = asyncio.create_task(self._relay(server, client))
                self._stack.callback(relay.cancel)
            server.write(kind, content)

    async def _relay(self, server: _End, client: _End) -> None:
        """Forward the server's messages; with `shares`, until the transaction ends."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                kind, content = await server.read()
                client.write(kind, content)
                if self._shares and (kind, content) == (b"Z", b"I"):
                    self._idle.append(server)
                    return
