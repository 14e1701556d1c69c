"""A TCP server on a free port that stops when its context closes."""

import asyncio
import ssl
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self


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
