"""The hub is built from a checkout's sources: once, and again when they have changed."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from opsrun.api import hub
from opsrun.dev.embedded import EmbeddedServerError
from opsrun.dev.embedded.child import spawn
from opsrun.settings import PREFIX

# As Vite wants it.
_OLDEST_NODE = "20.19"


def must_be_built() -> bool:
    """Tell whether there are sources of the hub here that are newer than what is built."""
    return _lock().exists() and not _is_newer(_built(), _sources())


async def build_hub(log: Path) -> None:
    """Build the hub, which takes Node; what npm prints goes to `log`.

    A build that is cancelled leaves no process and no half of a hub. Call it on the main thread.

    Raises:
        EmbeddedServerError: it failed; the message has the end of the log.
    """
    shutil.rmtree(hub.BUILD, ignore_errors=True)
    try:
        if not _is_newer(hub.SOURCES / "node_modules" / ".package-lock.json", [_lock()]):
            await _npm(log, "ci", "--no-audit", "--no-fund")
        await _npm(log, "run", "build")
        _built().touch()
    finally:
        if not _built().exists():
            shutil.rmtree(hub.BUILD, ignore_errors=True)


def _lock() -> Path:
    return hub.SOURCES / "package-lock.json"


def _built() -> Path:
    """Return the mark that is made last, and that a new build removes first."""
    return hub.BUILD / ".built"


def _sources() -> Iterator[Path]:
    """Give all files and folders that a build may depend on, but for what npm puts there."""
    yield hub.SOURCES.parents[1] / "schema.graphql"
    for top in hub.SOURCES.iterdir():
        if top.name not in ("node_modules", hub.BUILD.name):
            yield top
            yield from top.rglob("*")


def _is_newer(made: Path, sources: Iterable[Path]) -> bool:
    """Tell whether it was made after the last change of its sources.

    By time and not by content, for a build may write sources of its own before it ends.
    """
    if not made.exists():
        return False
    moment = made.stat().st_mtime_ns
    return all(source.lstat().st_mtime_ns <= moment for source in sources)


def lack_of_node() -> str | None:
    """Say what is missing here to run npm's programs, if anything is."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return f"it takes Node {_OLDEST_NODE} or newer with npm"
    told = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    version = told.stdout.strip()
    if _numbers(version) < _numbers(_OLDEST_NODE):
        return f"it takes Node {_OLDEST_NODE} or newer, not {version or 'one that fails'}"
    return None


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


async def _npm(log: Path, *arguments: str) -> None:
    # Scripts of others' packages need none of our secrets.
    env = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    child = spawn(
        f"npm {' '.join(arguments[:2])}",
        ["npm", *arguments],
        account=None,
        folder=hub.SOURCES,
        log=log,
        stop_signal=signal.SIGTERM,
        env=env,
    )
    try:
        if await child.wait() != 0:
            raise EmbeddedServerError(child.exit_report())
    finally:
        if not child.ended:
            # npm has started others, and they yet others; its session has a group for all.
            os.killpg(child.process.pid, signal.SIGKILL)
            child.process.wait()
