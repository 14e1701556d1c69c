"""TCP servers on a free port that stop when their context closes."""

import asyncio
import ssl
from contextlib import AsyncExitStack, suppress
from types import TracebackType
from typing import Self

_CHUNK = 65536


class Listener:
    """Listens on `port`; `_serve` handles each connection."""

    def __init__(self, *, context: ssl.SSLContext | None = None) -> None:
        """With `context`, accept only TLS."""
        self._tls = context
        self._stack = AsyncExitStack()
        self.port = 0

    async def __aenter__(self) -> Self:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self._stack.callback(server.close)
        self.port = server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise NotImplementedError


class Forwarder(Listener):
    """Forwards new connections to the port `target`, which may change."""

    def __init__(self, target: int, *, context: ssl.SSLContext | None = None) -> None:
        super().__init__(context=context)
        self.target = target

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            await self._forward(reader, writer)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, server = await asyncio.open_connection("127.0.0.1", self.target)
        for end in (writer, server):
            self._stack.callback(end.transport.abort)
        await asyncio.gather(_pump(reader, server), _pump(theirs, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    writer.close()
