"""Builds the hub from a checkout's sources, and again after they change."""

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

# Vite requires this version.
_OLDEST_NODE = "20.19"


def must_be_built() -> bool:
    """Return whether this checkout has sources of the hub that are newer than the build."""
    return _lock().exists() and not _is_newer(_built(), _sources())


async def build_hub(log: Path) -> None:
    """Build the hub with npm, whose output goes to `log`.

    A cancelled build leaves no process and no incomplete hub. Call it on the main thread.

    Raises:
        EmbeddedServerError: the build failed; the message contains the end of the log.
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
    """Return the marker file: a build creates it last, and the next build removes it first."""
    return hub.BUILD / ".built"


def _sources() -> Iterator[Path]:
    """Yield all files and folders that a build depends on, except those that npm writes."""
    yield hub.SOURCES.parents[1] / "schema.graphql"
    for top in hub.SOURCES.iterdir():
        if top.name not in ("node_modules", hub.BUILD.name):
            yield top
            yield from top.rglob("*")


def _is_newer(made: Path, sources: Iterable[Path]) -> bool:
    """Return whether a file is newer than all its sources.

    Compares times, not contents, because a build may write sources.
    """
    if not made.exists():
        return False
    moment = made.stat().st_mtime_ns
    return all(source.lstat().st_mtime_ns <= moment for source in sources)


def lack_of_node() -> str | None:
    """Return what Node lacks to build the hub; None if it can."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return f"it needs Node {_OLDEST_NODE} or newer, with npm"
    result = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    version = result.stdout.strip()
    if _numbers(version) < _numbers(_OLDEST_NODE):
        return f"it needs Node {_OLDEST_NODE} or newer, not {version or 'one that fails'}"
    return None


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


async def _npm(log: Path, *arguments: str) -> None:
    # Scripts of third-party packages must not read Opsrun's secrets.
    env = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    child = spawn(
        f"npm {' '.join(arguments[:2])}",
        ["npm", *arguments],
        folder=hub.SOURCES,
        log=log,
        env=env,
    )
    try:
        if await child.wait() != 0:
            raise EmbeddedServerError(child.exit_report())
    finally:
        if not child.ended:
            # npm starts further processes, which are all in its process group.
            os.killpg(child.process.pid, signal.SIGKILL)
            child.process.wait()
