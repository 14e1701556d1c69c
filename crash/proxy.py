"""A TCP proxy that cuts, delays and silences connections, as networks do."""

import asyncio
import re
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Self

_CHUNK = 65536
_COMMIT = b"COMMIT\x00"
# The name under which a client prepares a change that commits itself.
_PREPARED = re.compile(rb"(__asyncpg_\w+)\x00WITH changed AS")
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class _Link:
    """A connection through the proxy: the client's side and the server's."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.client = client
        self.server = server
        self.changes: set[bytes] = set()
        self.loses_reply = False
        self.is_silent = False

    def cut(self) -> None:
        _reset(self.client)
        _reset(self.server)


class Proxy:
    """Listen on a fixed port, and forward to the port `target`, which may change."""

    def __init__(self) -> None:
        self.target = 0
        self.port = 0
        self._replies_to_lose = 0
        self._delay = 0.0
        self._links: set[_Link] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()

    def cut(self) -> None:
        """Reset every connection."""
        for link in list(self._links):
            link.cut()

    async def blackhole(self, seconds: float) -> None:
        """Hold all data and new connections back for `seconds`; then deliver them."""
        self._flowing.clear()
        try:
            await asyncio.sleep(seconds)
        finally:
            self._flowing.set()

    async def slow(self, seconds: float, delay: float) -> None:
        """Delay all data by `delay` seconds, for `seconds`."""
        self._delay = delay
        try:
            await asyncio.sleep(seconds)
        finally:
            self._delay = 0.0

    def fall_silent(self) -> None:
        """Reset the server's side of every connection; clients receive no FIN or RST."""
        for link in self._links:
            link.is_silent = True
            _reset(link.server)

    def lose_replies_to_commit(self, count: int) -> None:
        """Let the next `count` commits reach Postgres, but reset their connections at the reply."""
        self._replies_to_lose = count

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._flowing.wait()
            server_reader, server = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            _reset(writer)
            return
        link = _Link(writer, server)
        self._links.add(link)
        try:
            await asyncio.gather(
                self._pump(link, reader, server, self._mark_commit),
                self._pump(link, server_reader, writer, self._lose_reply),
            )
            # A silent link lasts until the client closes it.
            with suppress(OSError):
                while link.is_silent and await reader.read(_CHUNK):
                    pass
        finally:
            self._links.discard(link)
            link.cut()

    async def _pump(
        self,
        link: _Link,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        inspect: Callable[[_Link, bytes], None],
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                await self._flowing.wait()
                if self._delay:
                    await asyncio.sleep(self._delay)
                if link.is_silent:
                    return
                inspect(link, data)
                writer.write(data)
                await writer.drain()
        if not link.is_silent:
            link.cut()

    def _mark_commit(self, link: _Link, data: bytes) -> None:
        link.changes.update(_PREPARED.findall(data))
        is_change = data[:1] == b"B" and any(name + b"\x00" in data for name in link.changes)
        if self._replies_to_lose and (is_change or _COMMIT in data):
            self._replies_to_lose -= 1
            link.loses_reply = True

    def _lose_reply(self, link: _Link, _: bytes) -> None:
        if link.loses_reply:
            raise ConnectionResetError


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None:
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()
