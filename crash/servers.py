"""Postgres and Valkey behind proxies. Each restarts with its data at the same address."""

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
    """A server behind a proxy, which can be killed and started again."""

    def __init__(self, run: Callable[[], _Running], proxy: Proxy) -> None:
        self._run = run
        self._running = AsyncExitStack()
        self._child: Child | None = None
        self._restart = asyncio.Lock()
        self.direct_url = ""
        self.proxy = proxy

    @property
    def url(self) -> str:
        """The URL for clients: the proxy's address."""
        port = urlsplit(self.direct_url).port
        return self.direct_url.replace(f":{port}/", f":{self.proxy.port}/")

    async def start(self) -> None:
        """Start the server with the data of its last run."""
        async with asyncio.timeout(_START_SECONDS):
            while True:
                try:
                    running = await self._running.enter_async_context(self._run())
                    break
                except EmbeddedServerError:
                    # Children of a killed Postgres still hold its shared memory.
                    await asyncio.sleep(0.1)
        self._child, self.direct_url = running
        self.proxy.target = urlsplit(self.direct_url).port or 0

    @asynccontextmanager
    async def down(self, signal_: signal.Signals) -> AsyncIterator[None]:
        """End the server with a signal; start it again when the context closes."""
        async with self._restart:
            if self._child is not None:
                self._child.process.send_signal(signal_)
                await self._child.wait()
            await self.stop()
            try:
                yield
            finally:
                await self.start()

    async def stop(self) -> None:
        """Stop the server gracefully."""
        self._child = None
        await self._running.aclose()


@dataclass(frozen=True, slots=True)
class Servers:
    postgres: Server
    valkey: Server


@asynccontextmanager
async def running_servers(folder: Path) -> AsyncIterator[Servers]:
    """Run both until the context closes."""
    with claimed_folder(folder) as data:
        async with Proxy() as postgres_proxy, Proxy() as valkey_proxy:
            # Durable: an immediate shutdown must not lose committed data.
            postgres = Server(lambda: running_postgres(data, durable=True), postgres_proxy)
            valkey = Server(lambda: running_valkey(data), valkey_proxy)
            try:
                await valkey.start()
                await postgres.start()
                yield Servers(postgres, valkey)
            finally:
                await valkey.stop()
                await postgres.stop()
