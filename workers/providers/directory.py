"""Read policies from a folder of exported JSON files, one object per file (P1)."""

import errno
import hashlib
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from domain.inventory.completeness import require_complete
from domain.inventory.policies import identify, parse_json, storable
from domain.inventory.provider import NotTaken, PolicyDocument
from domain.inventory.scopes import normal_scope_key, valid_scope_key
from domain.runs.failures import FailureReason, ProducerError
from workers.bounded_threads import BoundedThreads
from workers.providers.file_threads import FILE_THREADS, in_file_thread, in_slices
from workers.providers.folders import Entry, json_files, read_file
from workers.providers.ignoring import read_ignore_rules

T = TypeVar("T")

# A key is part of a primary key, and Postgres limits an index row to 2,700 bytes.
_MAX_KEY_LENGTH = 500
# The least weight of an item, so that a batch has at most a hundred of them.
_ITEM_BYTES = 10 * 1024
# Some tools write a policy's settings into a second file, as a list or a text.
_SETTINGS_FILE = "_settings.json"


@dataclass(frozen=True, slots=True)
class _Read:
    """The content of a file, and its size in bytes."""

    item: PolicyDocument | NotTaken
    size: int = 0


class DirectoryProvider:
    """An `InventoryProvider` over `root`, whose subfolders are the scopes.

    Every `*.json` at any depth of a scope is a policy, unless the ignore file of `root` names it;
    the path in the scope is its key. Links that leave the scope or `root` are not followed.
    Messages contain no path of the server.
    """

    def __init__(self, root: Path, threads: BoundedThreads = FILE_THREADS) -> None:
        self._root = root
        self._threads = threads

    async def scopes(self) -> Sequence[str]:
        """Return the names of the subfolders that are valid scope keys, sorted.

        Raises:
            ProducerError: PROVIDER_UNAVAILABLE if the export folder cannot be listed.
        """
        _, folders = await self._in_thread(partial(_scope_folders, self._root))
        return sorted(folders)

    async def policies(self, scope_key: str) -> AsyncIterator[Sequence[PolicyDocument | NotTaken]]:
        """List the scope, then read each file once; yield batches in the order of keys.

        Raises:
            ProducerError: SCOPE_NOT_FOUND, SCOPE_AMBIGUOUS, INVALID_IGNORE_FILE or
                PROVIDER_UNAVAILABLE.
        """
        # Resolve the folder once, so that a swap during the sync does not change it.
        root, folders = await self._in_thread(partial(_scope_folders, self._root))
        folder = _only_folder(folders.get(scope_key, set()))
        files: dict[str, Entry] = {}
        async for listed in in_slices(self._threads, self._root, _entries(root, folder, scope_key)):
            files.update((_key(file), file) for file in listed)
        reading = (_read(root, folder, key, file) for key, file in sorted(files.items()))
        async for some in in_slices(
            self._threads, self._root, reading, lambda read: read.size + _ITEM_BYTES
        ):
            yield [read.item for read in some]

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await in_file_thread(self._threads, self._root, work)


def _scope_folders(root: Path) -> tuple[Path, dict[str, set[tuple[str, ...]]]]:
    """Return the real root, and the folders of each scope key: usually one."""
    real_root = Path(os.path.realpath(root))
    try:
        names = [path.name for path in real_root.iterdir()]
    except OSError as error:
        raise _unavailable("The export folder", error) from None
    folders = defaultdict(set)
    for name in names:
        key, folder = normal_scope_key(name), Path(os.path.realpath(real_root / name))
        # Path.is_dir() would raise without permission to look.
        if valid_scope_key(key) and real_root in folder.parents and os.path.isdir(folder):  # noqa: PTH112
            folders[key].add(folder.relative_to(real_root).parts)
    return real_root, folders


def _only_folder(folders: set[tuple[str, ...]]) -> tuple[str, ...]:
    if not folders:
        raise ProducerError(FailureReason.SCOPE_NOT_FOUND, "The scope does not exist.")
    if len(folders) > 1:
        raise ProducerError(
            FailureReason.SCOPE_AMBIGUOUS,
            "Two folders have this name, written in different Unicode forms; keep one of them.",
        )
    (folder,) = folders
    return folder


def _entries(root: Path, folder: Sequence[str], scope_key: str) -> Iterator[Entry]:
    rules = read_ignore_rules(root)

    def why_ignored(path: Sequence[str], is_folder: bool) -> str | None:
        return rules.why_ignored((scope_key, *path), is_folder=is_folder)

    try:
        yield from json_files(root, folder, why_ignored)
    except OSError as error:
        raise _unavailable("The scope's folder", error) from None


def _read(root: Path, folder: Sequence[str], key: str, file: Entry) -> _Read:
    if file.ignored:
        return _Read(NotTaken(key, ignored=file.ignored))
    try:
        if file.failure:
            raise file.failure
        raw = read_file(root, (*folder, *file.path))
        return _Read(_item(key, parse_json(raw)), len(raw))
    except ProducerError as failure:
        # The traceback of a raised error keeps the whole file in memory.
        fresh = ProducerError(failure.reason, failure.message, failure.names)
        return _Read(NotTaken(key, failure=fresh))


def _item(key: str, body: Any) -> PolicyDocument | NotTaken:
    if key.lower().endswith(_SETTINGS_FILE) and not isinstance(body, dict):
        return NotTaken(key, ignored="Ignored by default: a policy's settings beside it.")
    require_complete(storable(body))
    return PolicyDocument(key, *identify(body), body)


def _key(file: Entry) -> str:
    """Return the path as a unique printable text; a very long one ends in its hash."""
    posix = "/".join(file.path)
    key = "".join(
        char if char.isprintable() and char != "\\" else char.encode("unicode_escape").decode()
        for char in posix
    )
    if len(key) <= _MAX_KEY_LENGTH:
        return key
    digest = hashlib.sha256(os.fsencode(posix)).hexdigest()
    return f"{key[: _MAX_KEY_LENGTH - len(digest) - 1]}…{digest}"


def _unavailable(what: str, error: OSError) -> ProducerError:
    reason = os.strerror(error.errno or errno.EIO)
    return ProducerError(FailureReason.PROVIDER_UNAVAILABLE, f"{what} cannot be read: {reason}.")
