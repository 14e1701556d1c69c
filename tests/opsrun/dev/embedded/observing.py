"""Observe servers from outside: rows, processes, and an owner in a separate process."""

import asyncio
import json
import os
import stat
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import psutil  # type: ignore[import-untyped]
import pytest

REPOSITORY = Path(__file__).parents[4]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root drops its privileges")


async def query(url: str, statement: str) -> Any:
    """Run a statement; return the first value of its answer."""
    connection = await asyncpg.connect(url, timeout=10)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def until(condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds; fail after 20 seconds."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what it looks at sets no event
            await asyncio.sleep(0.01)


def children(pid: int) -> list[Any]:
    """Return all descendants of `pid`."""
    try:
        processes: list[Any] = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return processes


class Started:
    """Return the descendants of the test process that started during the context."""

    def __init__(self) -> None:
        self._before = psutil.Process().children()

    def __call__(self) -> list[Any]:
        new = [child for child in psutil.Process().children() if child not in self._before]
        return new + [process for child in new for process in children(child.pid)]


def working_in(folder: Path) -> list[Any]:
    """Return all processes that work in the folder or below."""
    return [
        process
        for process in psutil.process_iter(["cwd"])
        if process.info["cwd"] and Path(process.info["cwd"]).is_relative_to(folder)
    ]


def named(name: str, processes: list[Any]) -> Any | None:
    """Return the first running process with this program name."""
    for process in processes:
        try:
            if process.name() == name:
                return process
        except psutil.NoSuchProcess:
            continue
    return None


def all_gone(processes: list[Any]) -> bool:
    """Return whether all have ended; zombies count as ended."""
    return not any(map(_runs, processes))


def privileges(process: Any) -> dict[str, str]:
    """Return the kernel's view of a process, such as its `Groups` and `CapEff`."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def mode(path: Path) -> int:
    """Return the permission bits of a file or folder."""
    return stat.S_IMODE(path.stat().st_mode)


def _runs(process: Any) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@dataclass(frozen=True, slots=True)
class Owner:
    """An owner in a separate session and process group."""

    process: asyncio.subprocess.Process

    async def urls(self) -> tuple[str, str]:
        """Wait until the servers run; return the URLs of Postgres and Valkey."""
        assert self.process.stdout is not None
        async with asyncio.timeout(30):
            postgres_url, redis_url = json.loads(await self.process.stdout.readline())
        return postgres_url, redis_url


@asynccontextmanager
async def owner_process(folder: Path) -> AsyncIterator[Owner]:
    """Start an owner; kill it at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.opsrun.dev.embedded.owner", str(folder)),
        cwd=REPOSITORY,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield Owner(process)
    finally:
        if process.returncode is None:
            servers = children(process.pid)
            process.kill()
            await until(lambda: all_gone(servers))
        await process.communicate()
