"""Builds the hub from a checkout's sources, and again after they change.

python -m opsrun.dev.hub_build LOG
"""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from opsrun.dev.embedded import EmbeddedServerError
from opsrun.dev.embedded.child import spawn
from opsrun.settings import PREFIX

SOURCES = Path(__file__).parents[2] / "client-examples" / "web-hub"
BUILD = SOURCES / "build"
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
    shutil.rmtree(BUILD, ignore_errors=True)
    try:
        if not _is_newer(SOURCES / "node_modules" / ".package-lock.json", [_lock()]):
            await _npm(log, "ci", "--no-audit", "--no-fund")
        await _npm(log, "run", "build")
        _built().touch()
    finally:
        if not _built().exists():
            shutil.rmtree(BUILD, ignore_errors=True)


def _lock() -> Path:
    return SOURCES / "package-lock.json"


def _built() -> Path:
    """Return the marker file: a build creates it last, and the next build removes it first."""
    return BUILD / ".built"


def _sources() -> Iterator[Path]:
    """Yield all files and folders that a build depends on, except those that npm writes."""
    yield SOURCES.parents[1] / "schema.graphql"
    for top in SOURCES.iterdir():
        if top.name not in ("node_modules", BUILD.name):
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
        folder=SOURCES,
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


def main(log: Path) -> None:
    """Build the hub for `make wheel`, unless it is up to date; exit with a message on failure."""
    if not must_be_built():
        return
    if (problem := lack_of_node()) is not None:
        sys.exit(f"The wheel contains the hub, and the hub is not built: {problem}.")
    print("Building the hub ...")  # noqa: T201
    log.parent.mkdir(exist_ok=True)
    try:
        asyncio.run(build_hub(log))
    except EmbeddedServerError as error:
        sys.exit(f"The hub is not built: {error}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
