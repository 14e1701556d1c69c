"""Call the coroutines of a generator's process, with one line of JSON for each call and result."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson
import uvloop

# Bytes of the longest call or result.
_LONGEST_LINE = 1 << 24


@dataclass(frozen=True, slots=True)
class Generator:
    """A running generator."""

    _process: asyncio.subprocess.Process

    async def call(self, name: str, **arguments: Any) -> Any:
        """Call a coroutine of the generator; return its result.

        Raises:
            RuntimeError: it failed, and printed why on stderr.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(orjson.dumps([name, arguments]) + b"\n")
        if not (line := await self._process.stdout.readline()):
            raise RuntimeError(f"The load generator failed at {name!r}.")
        return orjson.loads(line)


@asynccontextmanager
async def open_generator(module: str) -> AsyncIterator[Generator]:
    """Run `python -m module` until the context closes."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LONGEST_LINE,
    )
    try:
        yield Generator(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def serve(coroutines: Mapping[str, Callable[..., Awaitable[Any]]]) -> None:
    """Answer calls on stdin until it is closed; the generator's process calls this."""
    uvloop.run(_serve(coroutines))


async def _serve(coroutines: Mapping[str, Callable[..., Awaitable[Any]]]) -> None:
    reader = asyncio.StreamReader(limit=_LONGEST_LINE)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while line := await reader.readline():
        name, arguments = orjson.loads(line)
        result = await coroutines[name](**arguments)
        sys.stdout.buffer.write(orjson.dumps(result) + b"\n")
        sys.stdout.buffer.flush()
