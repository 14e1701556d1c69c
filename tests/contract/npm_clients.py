"""Programs that run a scenario with a third-party client and print what they see as JSON lines."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

PATIENCE = 30.0
GRAPHQL_WS, GRAPHQL_SSE = "graphql-ws", "graphql-sse"


class Scenario:
    """A running scenario."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def facts(self) -> Any:
        """Return the next JSON line that it prints."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            line = await self._process.stdout.readline()
        assert line, "The program has ended; see its error above."
        return json.loads(line)

    def resume(self) -> None:
        """Let it continue with its next step."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")


@asynccontextmanager
async def scenario(
    tools: Path, package: str, host: str, token: str, name: str, *arguments: str
) -> AsyncIterator[Scenario]:
    """Run a scenario of this package's client at the API of `host`."""
    scheme = "ws" if package == GRAPHQL_WS else "http"
    node = ("node", f"npm-clients/{package}.js", name, *arguments)
    async with program(tools, f"{scheme}://{host}/graphql", token, *node) as running:
        yield running


@asynccontextmanager
async def program(folder: Path, url: str, token: str, *arguments: str) -> AsyncIterator[Scenario]:
    """Run a client's program at the API of `url`; kill it at the end if it still runs."""
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
