"""Valkey servers for tests: one to share, and one that a test may kill."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import pytest

from opsrun.dev.embedded import programs
from opsrun.dev.embedded.child import Child, spawn
from opsrun.dev.embedded.folder import claimed_folder
from opsrun.dev.embedded.port import free_port
from opsrun.dev.embedded.valkey import CONFIGURATION


class Valkey:
    """An embedded server that stays on its port when a test kills and restarts it."""

    def __init__(self, directory: Path) -> None:
        self._closing = ExitStack()
        self._folder = self._closing.enter_context(claimed_folder(directory / "valkey"))
        self.port = free_port()
        self.url = f"redis://:{self._folder.valkey_password}@127.0.0.1:{self.port}/0"
        self._child: Child | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()
        self._closing.close()

    async def start(self) -> None:
        """Start the server, empty, and return when it is ready."""
        child = self._child = spawn(
            "Valkey",
            [programs.executable(programs.VALKEY, self._folder), "-"],
            account=self._folder.account,
            folder=Path("/"),
            log=self._folder.path / "valkey.log",
            stop_signal=signal.SIGKILL,
            stdin=CONFIGURATION.format(port=self.port, password=self._folder.valkey_password),
        )
        async with asyncio.timeout(10):
            while "Ready to accept connections" not in child.log_tail():
                assert not child.ended, child.exit_report()
                await asyncio.sleep(0.01)

    async def kill(self) -> None:
        """Kill the server like `kill -9`; do nothing if it is not running."""
        if self._child is not None:
            await self._child.stop()


@pytest.fixture(scope="session")
async def redis_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The URL of a server that all tests share: use unique names."""
    async with Valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server.url


@pytest.fixture
async def valkey(tmp_path: Path) -> AsyncIterator[Valkey]:
    """A server that the test may kill."""
    async with Valkey(tmp_path) as server:
        yield server
