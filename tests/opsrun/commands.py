"""`opsrun` commands in child processes, which end with the tests even if those are killed."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any

from opsrun.dev.embedded.child import end_with_owner
from opsrun.settings import PREFIX
from tests.opsrun.dev.embedded import observing
from tests.opsrun.dev.embedded.observing import all_gone, children

PATIENCE = 60.0


class Command:
    """A running command and its output so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self._news = asyncio.Condition()
        self._reader = asyncio.create_task(self._read())

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    @property
    def output(self) -> str:
        """The output so far, on both streams."""
        return "\n".join(self.lines)

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            async with self._news:
                self.lines.append(line.decode().rstrip("\n"))
                self._news.notify_all()
        async with self._news:
            self._news.notify_all()

    async def prints(self, text: str, times: int = 1) -> str:
        """Wait for `times` lines with `text`; return the last of them."""

        def matching() -> list[str]:
            return [line for line in self.lines if text in line]

        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(lambda: len(matching()) >= times or self._reader.done())
        assert len(matching()) >= times, f"{text!r} was not printed:\n{self.output}"
        return matching()[times - 1]

    async def ends(self) -> int:
        """Wait for the end; return the exit code, or the negated signal number."""
        async with asyncio.timeout(PATIENCE):
            code = await self.process.wait()
            await self._reader
        return code

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Send a signal; return the exit code and how many seconds the end took."""
        began = monotonic()
        self.process.send_signal(number)
        return await self.ends(), monotonic() - began


@asynccontextmanager
async def running(
    *arguments: str,
    environment: Mapping[str, str],
    folder: Path,
    inherit: Sequence[int] = (),
    program: tuple[str, ...] = (sys.executable, "-m", "opsrun"),
) -> AsyncIterator[Command]:
    """Run a command in `folder` with only these settings; kill it at the end if it still runs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    process = await asyncio.create_subprocess_exec(
        *program,
        *arguments,
        cwd=folder,
        env={**kept, "PYTHONUNBUFFERED": "1", **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        pass_fds=inherit,
        preexec_fn=end_with_owner(signal.SIGKILL),
    )
    command = Command(process)
    try:
        yield command
    finally:
        left = children(process.pid)
        if process.returncode is None:
            process.kill()
        for child in left:
            if not all_gone([child]):
                child.kill()
        await command.ends()
        await gone(left)


async def gone(processes: list[Any]) -> None:
    """Wait until none of the processes runs."""
    await observing.until(lambda: all_gone(processes))


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until the condition holds, for at most the time that a process takes to start."""
    async with asyncio.timeout(PATIENCE):
        while not await condition():  # noqa: ASYNC110 - no event to wait for
            await asyncio.sleep(0.02)
