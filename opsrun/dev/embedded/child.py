"""Child processes that end with their owner, even if it is killed.

Each child has a separate session, so Ctrl-C in the terminal reaches only the owner, which stops
its children in order. When the owner is killed, Linux sends the children their stop signal
(PR_SET_PDEATHSIG). On other systems, the children of a killed owner keep running.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from opsrun.dev.embedded.account import Account
from opsrun.dev.embedded.errors import EmbeddedServerError

STOP_SECONDS = 20.0
PR_SET_PDEATHSIG = 1
_SERVER_ENV = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True, slots=True)
class Child:
    """A child process, running or ended."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    stop_signal: signal.Signals

    @property
    def ended(self) -> bool:
        """Whether the process has ended."""
        return self.process.poll() is not None

    async def wait(self) -> int:
        """Wait for the end; return the exit code, or the negated signal number."""
        while (code := self.process.poll()) is None:  # noqa: ASYNC110 - no event to wait for
            await asyncio.sleep(0.02)
        return code

    async def stop(self) -> None:
        """Stop the process. Kill it after `STOP_SECONDS`, or if this call is cancelled."""
        if self.ended:
            return
        self.process.send_signal(self.stop_signal)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS):
                    await self.wait()
        finally:
            if not self.ended:
                self.process.kill()
                self.process.wait()

    def log_tail(self) -> str:
        """Return the last lines of the log."""
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - 4096))
            return "\n".join(log.read().decode(errors="replace").splitlines()[-20:])

    def report(self, problem: str) -> str:
        """Return the process's name and `problem` as a sentence, and the end of its log."""
        tail = self.log_tail() or "(empty)"
        return f"{self.name} {problem}. The end of its log {self.log}:\n{tail}"

    def exit_report(self) -> str:
        """Return how the process ended, with the end of its log."""
        code = self.process.poll()
        how = f"was killed by signal {-code}" if code and code < 0 else f"ended with code {code}"
        return self.report(how)


async def first_exit(children: Sequence[Child]) -> str:
    """Wait until one of the processes ends; return how, with the end of its log."""
    while True:
        for child in children:
            if child.ended:
                return child.exit_report()
        await asyncio.sleep(0.5)


def spawn(
    name: str,
    command: Sequence[str | Path],
    *,
    folder: Path,
    log: Path,
    account: Account | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
    stdin: str = "",
    inherit: Sequence[int] = (),
    env: Mapping[str, str] = _SERVER_ENV,
) -> Child:
    """Start `command` in `folder`, with its output in `log`, which is emptied first.

    Pass secrets as `stdin`, because other users can read a command line. Call this on the main
    thread: on Linux, a child ends with the thread that started it.

    Raises:
        EmbeddedServerError: the process cannot be started.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("Start embedded servers on the main thread.")
    try:
        log.unlink(missing_ok=True)
        log.touch(mode=0o600)
        with tempfile.TemporaryFile() as stdin_file, log.open("ab") as log_file:
            stdin_file.write(stdin.encode())
            stdin_file.seek(0)
            if account is not None:
                # initdb reopens /dev/stdin, which checks the permissions of the file.
                os.fchown(stdin_file.fileno(), account.uid, account.gid)
            process = subprocess.Popen(  # noqa: S603 - installed binaries, no shell
                command,
                stdin=stdin_file,
                stdout=log_file,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=env,
                start_new_session=True,
                preexec_fn=end_with_owner(stop_signal),
                pass_fds=inherit,
                umask=0o077,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )
    except (OSError, subprocess.SubprocessError) as error:
        raise EmbeddedServerError(f"Cannot start {name} ({command[0]}): {error}") from error
    return Child(name, process, log, stop_signal)


def end_with_owner(stop_signal: signal.Signals) -> Callable[[], None] | None:
    """Return a `preexec_fn` that makes a child end with this thread (only on Linux)."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    prctl.argtypes = (ctypes.c_int, ctypes.c_ulong)
    owner = os.getpid()

    # Runs after the change of user, which would reset the signal. The owner may have ended already.
    def request_signal() -> None:
        if prctl(PR_SET_PDEATHSIG, stop_signal) != 0 or os.getppid() != owner:
            os._exit(1)

    return request_signal
