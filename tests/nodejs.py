"""Node, npm and Chromium: whether they are here, and how tests call npm."""

import shutil
import subprocess
from pathlib import Path

import pytest

from opsrun.dev.hub_build import lack_of_node

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
LACK_OF_NODE = lack_of_node()

needs_node = pytest.mark.skipif(LACK_OF_NODE is not None, reason=LACK_OF_NODE or "")


def npm(folder: Path, *arguments: str) -> str:
    """Call npm in a folder; return its output. Fail with the output if npm fails."""
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
