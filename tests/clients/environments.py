"""A Python example, installed elsewhere as its README describes."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from tests.installing import call
from tests.opsrun.commands import Command, running


@dataclass(frozen=True, slots=True)
class Example:
    """A copy of a Python example and the environment beside it."""

    folder: Path

    def tool(self, name: str) -> str:
        """Return the path of a program of the environment."""
        return str(self.folder / ".venv" / "bin" / name)

    def call(self, *command: str) -> None:
        """Run a command in the example's folder; an AssertionError holds its output."""
        call(self.folder, *command)

    def script(
        self, *arguments: str, environment: Mapping[str, str]
    ) -> AbstractAsyncContextManager[Command]:
        """Run one of the example's scripts with only these settings."""
        return running(
            *arguments,
            environment=environment,
            folder=self.folder,
            program=(self.tool("python"),),
        )
