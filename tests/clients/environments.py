"""An example copied elsewhere, in an environment of its own, as its README makes it."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from tests.opsrun.commands import Command, running

ROOT = Path(__file__).parents[2]


_MADE = shutil.ignore_patterns(
    ".venv", "node_modules", "build", "gql", "opsrun_client", "__pycache__", ".*_cache"
)


def copied(name: str, parent: Path) -> Path:
    """Copy an example's sources, and `schema.graphql` to where it looks; return its folder."""
    shutil.copy(ROOT / "schema.graphql", parent)
    example = Path("client-examples") / name
    return Path(shutil.copytree(ROOT / example, parent / example, ignore=_MADE))


@dataclass(frozen=True, slots=True)
class Example:
    """A copy of a Python example and the environment beside it."""

    folder: Path

    @classmethod
    def installed(cls, name: str, parent: Path) -> "Example":
        """Copy the example's sources and `schema.graphql`, and install what it pins."""
        example = cls(copied(name, parent))
        example.call(sys.executable, "-m", "venv", ".venv")
        example.call(example.tool("python"), "-m", "pip", "install", "--quiet", ".[check]")
        return example

    def tool(self, name: str) -> str:
        """Return the path of a program of the environment."""
        return str(self.folder / ".venv" / "bin" / name)

    def call(self, *command: str) -> None:
        """Run a command in the example's folder; fail with what it said."""
        done = subprocess.run(  # noqa: S603 - our own commands
            command, cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def script(
        self, *arguments: str, environment: Mapping[str, str]
    ) -> AbstractAsyncContextManager[Command]:
        """Run one of the example's scripts with just these settings."""
        return running(
            *arguments,
            environment=environment,
            folder=self.folder,
            program=(self.tool("python"),),
        )
