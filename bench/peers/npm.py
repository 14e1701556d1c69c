"""The peers on Node: their packages, and a Node that fits them, come from npm."""

import shutil
import subprocess
from functools import cache
from pathlib import Path

import click

FOLDER = Path(__file__).parent
# Without an answer in this time, the registry counts as unreachable.
_INSTALL_SECONDS = 300
_QUICK_FAILURE = ("--fetch-retries", "0", "--fetch-timeout", "20000")


@cache
def node() -> Path | None:
    """Return the installed Node, after installing the packages once; None without npm.

    Scripts of the packages do not run.
    """
    lock, installed = FOLDER / "package-lock.json", FOLDER / "node_modules/.package-lock.json"
    is_installed = installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime
    if not is_installed and (problem := _install()):
        click.echo(f"The peers on Node are left out: {problem}", err=True)
        return None
    return next(FOLDER.glob("node_modules/node-*/bin/node"), None)


def _install() -> str | None:
    """Install the packages; return what went wrong."""
    npm = shutil.which("npm")
    if npm is None:
        return "npm is not installed."
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", *_QUICK_FAILURE]
    try:
        done = subprocess.run(  # noqa: S603
            command,
            cwd=FOLDER,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=_INSTALL_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return "npm did not finish in time."
    return done.stdout if done.returncode else None
