"""Programs in a pseudo terminal: read what they draw, and press keys."""

import asyncio
import os
import pty
import signal
import termios
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from opsrun.dev.embedded.child import end_with_owner
from tests.opsrun.commands import PATIENCE

CTRL_C = b"\x03"
SHOW_CURSOR, HIDE_CURSOR = "\x1b[?25h", "\x1b[?25l"
ROWS_AND_COLUMNS = (24, 120)


class Terminal:
    """The user's side of a pseudo terminal."""

    def __init__(self, side: int, process: asyncio.subprocess.Process) -> None:
        self._side = side
        self._process = process
        self._drawn = b""
        self._seen = 0
        self._left = asyncio.Event()
        self._news = asyncio.Event()
        asyncio.get_running_loop().add_reader(side, self._read)

    @property
    def drawn(self) -> str:
        """All output so far."""
        return self._drawn.decode(errors="replace")

    def has_cursor(self) -> bool:
        """Return whether the cursor is visible."""
        return self.drawn.rfind(SHOW_CURSOR) >= self.drawn.rfind(HIDE_CURSOR)

    def press(self, key: bytes) -> None:
        """Send a key."""
        os.write(self._side, key)

    async def shows(self, *texts: str) -> None:
        """Wait until the texts were drawn, in this order and after those of earlier calls."""
        async with asyncio.timeout(PATIENCE):
            for text in texts:
                while (position := self.drawn.find(text, self._seen)) < 0:
                    self._news.clear()
                    await self._news.wait()
                self._seen = position + len(text)

    async def ends(self) -> int:
        """Wait until the program ends and all its output is read; return the exit code."""
        async with asyncio.timeout(PATIENCE):
            code = await self._process.wait()
            await self._left.wait()
        return code

    def _read(self) -> None:
        try:
            self._drawn += os.read(self._side, 65536)
        except OSError:  # the program has ended
            asyncio.get_running_loop().remove_reader(self._side)
            self._left.set()
        self._news.set()


@asynccontextmanager
async def in_terminal(
    *command: str, environment: Mapping[str, str], folder: Path
) -> AsyncIterator[Terminal]:
    """Run a command in a terminal; kill it at the end if it still runs."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, ROWS_AND_COLUMNS)
    end_with_us = end_with_owner(signal.SIGKILL)

    def enter() -> None:
        os.login_tty(theirs)
        if end_with_us is not None:
            end_with_us()

    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={**os.environ, "TERM": "xterm-256color", **environment},
        pass_fds=[theirs],
        preexec_fn=enter,
    )
    os.close(theirs)
    try:
        yield Terminal(ours, process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        asyncio.get_running_loop().remove_reader(ours)
        os.close(ours)
