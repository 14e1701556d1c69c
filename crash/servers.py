"""Postgres and Valkey that may be killed: each comes back with its data at the same address."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from crash.proxy import Proxy
from opsrun.dev.embedded.child import Child
from opsrun.dev.embedded.errors import EmbeddedServerError
from opsrun.dev.embedded.folder import claimed_folder
from opsrun.dev.embedded.postgres import running_postgres
from opsrun.dev.embedded.valkey import running_valkey

_START_SECONDS = 30.0

_Running = AbstractAsyncContextManager[tuple[Child, str]]


class Server:
    """One server, life after life, behind a proxy."""

    def __init__(self, run: Callable[[], _Running], proxy: Proxy) -> None:
        self._run = run
        self._life = AsyncExitStack()
        self._child: Child | None = None
        self._one_at_a_time = asyncio.Lock()
        self.direct_url = ""
        self.proxy = proxy

    @property
    def url(self) -> str:
        """Where clients find it: at the proxy."""
        port = urlsplit(self.direct_url).port
        return self.direct_url.replace(f":{port}/", f":{self.proxy.port}/")

    async def start(self) -> None:
        """Begin a life, with the data of the one before."""
        async with asyncio.timeout(_START_SECONDS):
            while True:
                try:
                    running = await self._life.enter_async_context(self._run())
                    break
                except EmbeddedServerError:
                    # Children of a killed Postgres still hold its memory.
                    await asyncio.sleep(0.1)
        self._child, self.direct_url = running
        self.proxy.target = urlsplit(self.direct_url).port or 0

    @asynccontextmanager
    async def away(self, how: signal.Signals) -> AsyncIterator[None]:
        """End the life by a signal, and begin another one when the context closes."""
        async with self._one_at_a_time:
            if self._child is not None:
                self._child.process.send_signal(how)
                await self._child.wait()
            await self.stop()
            try:
                yield
            finally:
                await self.start()

    async def stop(self) -> None:
        """End the life in order."""
        self._child = None
        await self._life.aclose()


@dataclass(frozen=True, slots=True)
class Servers:
    """Both."""

    postgres: Server
    valkey: Server


@asynccontextmanager
async def running_servers(folder: Path) -> AsyncIterator[Servers]:
    """Run both until the context closes."""
    with claimed_folder(folder) as data:
        async with Proxy() as to_postgres, Proxy() as to_valkey:
            # Durable: an immediate stop must lose nothing that was committed.
            postgres = Server(lambda: running_postgres(data, durable=True), to_postgres)
            valkey = Server(lambda: running_valkey(data), to_valkey)
            try:
                await valkey.start()
                await postgres.start()
                yield Servers(postgres, valkey)
            finally:
                await valkey.stop()
                await postgres.stop()
