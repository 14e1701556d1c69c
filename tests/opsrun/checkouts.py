"""A checkout with the sources of a hub, and fake Node and npm programs."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import opsrun
from tests.opsrun.commands import PATIENCE

# Its `run build` writes source code first, and then what a bundler writes.
_NPM = """#!/bin/sh
PATH=/usr/bin:/bin
echo "$*" >> ../../calls
echo "$OPSRUN_LOCAL_KEY" >> ../../secrets
case "$1" in
ci) mkdir -p node_modules && touch node_modules/.package-lock.json ;;
run)
  touch src/generated.ts
  rm -rf build && mkdir -p build/assets
  echo "the hub" > build/index.html
  {then} ;;
esac
"""
FAILS = "echo 'src/main.tsx: no such component' && exit 3"
LASTS = f"sh -c 'sleep {PATIENCE:.0f}; true'"


@dataclass(frozen=True, slots=True)
class Checkout:
    """A folder that looks like a checkout to `python -m opsrun`."""

    folder: Path

    @classmethod
    def made(cls, folder: Path) -> "Checkout":
        """Create the sources, and fakes of Node 20 and of an npm that succeeds."""
        checkout = cls(folder)
        (checkout.hub / "src").mkdir(parents=True)
        (checkout.hub / "src" / "main.tsx").touch()
        (checkout.hub / "package-lock.json").touch()
        (folder / "schema.graphql").touch()
        sources = Path(opsrun.__file__).parent
        # A copy, because its link to the built hub is relative.
        shutil.copytree(
            sources, folder / "opsrun", symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
        )
        for package in ("domain", "gql", "migrations", "workers"):
            (folder / package).symlink_to(sources.parent / package)
        checkout.has_node("v20.19.0")
        checkout.has_npm()
        return checkout

    @property
    def hub(self) -> Path:
        """The folder of the hub's sources."""
        return self.folder / "client-examples" / "web-hub"

    @property
    def build(self) -> Path:
        """The folder of the built hub."""
        return self.hub / "build"

    @property
    def programs(self) -> Path:
        """The folder of the fake programs, for the PATH."""
        return self.folder / "bin"

    def has_node(self, version: str) -> None:
        """Create a Node that reports this version."""
        self._program("node", f"#!/bin/sh\necho {version}\n")

    def has_npm(self, then: str = "true") -> None:
        """Create an npm that builds and then runs the shell commands `then`."""
        self._program("npm", _NPM.replace("{then}", then))

    def _program(self, name: str, script: str) -> None:
        self.programs.mkdir(exist_ok=True)
        (self.programs / name).write_text(script)
        (self.programs / name).chmod(0o755)

    def calls(self) -> list[str]:
        """Return the arguments of every call of npm."""
        calls = self.folder / "calls"
        return calls.read_text().splitlines() if calls.exists() else []

    def change(self, path: str) -> None:
        """Change a file of the checkout, with a modification time of now."""
        (self.folder / path).touch()
        moment = (self.build / ".built").stat().st_mtime_ns + 1_000_000_000
        os.utime(self.folder / path, ns=(moment, moment))
