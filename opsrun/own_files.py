"""Checks that Python finds the files of Opsrun, and not those of another package.

Some of its packages have common names, and pip lets one package overwrite the files of another
without a warning. Nothing of Opsrun is imported here, because it may have been replaced.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("domain", "gql", "migrations", "opsrun", "workers")
_REMEDY = "install Opsrun again, in an environment for itself."


def require_own_files() -> None:
    """Exit with a message if a file of Opsrun is missing, replaced or hidden."""
    if (problem := damage(Path(__file__).parents[1])) is not None:
        sys.exit(f"Error: {problem}")


def damage(root: Path) -> str | None:
    """Return what is wrong with the packages in the folder `root`; None if they are unchanged.

    The RECORD of an installed wheel lists its files with their sizes. A checkout has none, so
    there only the folders that Python imports the packages from are checked.
    """
    for record in root.glob("opsrun-*.dist-info/RECORD"):
        sizes = _sizes(record)
        if (problem := _replaced(root, sizes) or _mixed(root, sizes)) is not None:
            return problem
    return _hidden(root)


def _sizes(record: Path) -> dict[str, int]:
    lines = (line.rsplit(",", 2) for line in record.read_text(encoding="utf-8").splitlines())
    # Cached bytecode has no size.
    return {
        name: int(size) for name, _, size in lines if size and name.partition("/")[0] in PACKAGES
    }


def _replaced(root: Path, sizes: Mapping[str, int]) -> str | None:
    """Return which file is missing, or differs from the one that was installed."""
    for name, size in sizes.items():
        path = f"{root}/{name}"
        try:
            actual = os.stat(path).st_size  # noqa: PTH116 - there are hundreds
        except (FileNotFoundError, NotADirectoryError):
            return f"The file {path} of Opsrun is missing: {_REMEDY}"
        if actual != size:
            owner = _owner(root, name) or "Something"
            return f"{owner} has replaced the file {path} of Opsrun: {_REMEDY}"
    return None


def _mixed(root: Path, sizes: Mapping[str, int]) -> str | None:
    """Return which other package has files among ours: its removal or upgrade takes ours away."""
    for name in _strangers(root, sizes):
        if (owner := _owner(root, name)) is not None:
            return f"{owner} has put {root}/{name} into a package of Opsrun: {_REMEDY}"
    return None


def _strangers(root: Path, sizes: Mapping[str, int]) -> Iterator[str]:
    """Yield the modules and folders in our packages that are not ours."""
    folders = {name.rpartition("/")[0]: None for name in sizes}
    for folder in folders:
        with os.scandir(f"{root}/{folder}") as entries:
            for entry in entries:
                name = f"{folder}/{entry.name}"
                if name in sizes or name in folders or entry.name == "__pycache__":
                    continue
                if entry.is_dir() or entry.name.endswith(".py"):
                    yield name


def _owner(root: Path, name: str) -> str | None:
    """Return the other installed package that claims a file or folder, with its version."""
    for record in root.glob("*.dist-info/RECORD"):
        package, _, version = record.parent.name.removesuffix(".dist-info").partition("-")
        lines = f"\n{record.read_text(encoding='utf-8')}"
        if package != "opsrun" and (f"\n{name}," in lines or f"\n{name}/" in lines):
            return f"The package {package} {version}"
    return None


def _hidden(root: Path) -> str | None:
    """Return which package Python imports from elsewhere."""
    for package in PACKAGES:
        own = root / package / "__init__.py"
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            return f"The file {own} of Opsrun is missing: {_REMEDY}"
        if os.path.realpath(spec.origin) != os.path.realpath(own):
            return (
                f"{spec.origin} hides the package {package} of Opsrun: remove it from Python's"
                " path, or install Opsrun in an environment for itself."
            )
    return None
