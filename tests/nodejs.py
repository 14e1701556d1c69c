"""Node and npm: whether they are here, and how tests call them."""

import shutil
import subprocess
from pathlib import Path

import pytest

NODE_MAJOR = 20


def has_node() -> bool:
    """Return whether npm and a Node that is new enough are here."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return False
    version = subprocess.check_output([node, "--version"], text=True)  # noqa: S603
    return int(version.removeprefix("v").partition(".")[0]) >= NODE_MAJOR


needs_node = pytest.mark.skipif(not has_node(), reason=f"needs npm and Node {NODE_MAJOR} or newer")


def npm(folder: Path, *arguments: str) -> str:
    """Call npm in a folder and return what it said; an AssertionError says it on failure."""
    done = subprocess.run(  # noqa: S603
        ["npm", *arguments],  # noqa: S607
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
