"""The hub is built from a checkout's sources: once, and again when they have changed."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from opsrun import hub
from opsrun.embedded import EmbeddedServerError
from opsrun.embedded.child import spawn
from opsrun.settings import PREFIX

# As Vite wants it.
_OLDEST_NODE = "20.19"


async def build_hub(log: Path) -> None:
    """Build the hub unless it is built already, or has no sources here.

    Says on the terminal what it does, and why there is no hub when it cannot be built,
    which is no reason to do without the rest. What npm prints goes to `log`. Whoever
    cancels it leaves no process and no half of a hub behind. Call it on the main thread.
    """
    lock = hub.SOURCES / "package-lock.json"
    installed = hub.SOURCES / "node_modules" / ".package-lock.json"
    # The last thing that is made, and the first that a build takes away.
    built = hub.BUILD / ".built"
    if not lock.exists() or _is_newer(built, _sources()):
        return
    if (lack := lack_of_node()) is not None:
        click.echo(f"The hub is not built: {lack}. All else works.")
        return
    click.echo("Building the hub; this happens once, and when its sources change ...")
    shutil.rmtree(hub.BUILD, ignore_errors=True)
    try:
        if not _is_newer(installed, [lock]):
            await _npm(log, "ci", "--no-audit", "--no-fund")
        await _npm(log, "run", "build")
        built.touch()
    except EmbeddedServerError as error:
        click.echo(f"The hub is not built, all else works: {error}")
    finally:
        if not built.exists():
            shutil.rmtree(hub.BUILD, ignore_errors=True)


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
            raise EmbeddedServerError(child.obituary())
    finally:
        if not child.ended:
            # npm has started others, and they yet others; its session has a group for all.
            os.killpg(child.process.pid, signal.SIGKILL)
            child.process.wait()
