"""What the installed packages announce by entry points."""

from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import NamedTuple

from domain.errors import DeclarationError

OWN_PACKAGE = "opsrun"


class Announcement(NamedTuple):
    """An object that a package announces."""

    value: object
    package: str


def announced(group: str) -> Iterator[Announcement]:
    """Load the entry points of a group; those of Opsrun itself come first.

    Raises:
        DeclarationError: one of them cannot be loaded.
    """
    # A folder that is on the path twice announces its entries twice.
    entries = {
        (_package(entry), entry.name, entry.value): entry for entry in entry_points(group=group)
    }
    for key in sorted(entries, key=lambda key: (key[0] != OWN_PACKAGE, *key)):
        package, _, path = key
        try:
            yield Announcement(entries[key].load(), package)
        except Exception as error:
            raise DeclarationError(
                f"The package {package} announces {path!r} to Opsrun, which cannot be loaded:"
                f" {type(error).__name__}: {error}"
            ) from error


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else entry.module
