"""Programs with other people's clients, a scenario each, which tell what they see."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

PATIENCE = 30.0
SOCKETS, EVENTS = "graphql-ws", "graphql-sse"


class Scenario:
    """A running program."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def facts(self) -> Any:
        """Return what it tells next."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            line = await self._process.stdout.readline()
        assert line, "The program has ended; see its error above."
        return json.loads(line)

    def go_on(self) -> None:
        """Let it do what comes next."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")


@asynccontextmanager
async def scenario(
    tools: Path, package: str, host: str, token: str, name: str, *given: str
) -> AsyncIterator[Scenario]:
    """Run a scenario of this package's client at the API of `host`."""
    scheme = "ws" if package == SOCKETS else "http"
    node = ("node", f"npm-clients/{package}.js", name, *given)
    async with program(tools, f"{scheme}://{host}/graphql", token, *node) as running:
        yield running


@asynccontextmanager
async def program(folder: Path, url: str, token: str, *arguments: str) -> AsyncIterator[Scenario]:
    """Run a client's program at the API of `url`; kill what is left of it."""
    process = await asyncio.create_subprocess_exec(
        *arguments,
        cwd=folder,
        env={**os.environ, "OPSRUN_URL": url, "OPSRUN_TOKEN": token},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Scenario(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
