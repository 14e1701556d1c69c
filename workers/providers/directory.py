"""Read policies from a folder of exported JSON and YAML files, one policy per file (P1, P8)."""

import errno
import hashlib
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from domain.inventory.policies import parse_json
from domain.inventory.provider import NotTaken, PolicyDocument
from domain.inventory.scopes import normal_scope_key, valid_scope_key
from domain.runs.failures import FailureReason, ProducerError
from workers.bounded_threads import BoundedThreads
from workers.providers.file_threads import FILE_THREADS, in_file_thread, in_slices
from workers.providers.folders import Entry, is_yaml, policy_files, read_file
from workers.providers.ignoring import read_ignore_rules

T = TypeVar("T")

# A key is part of a primary key, and Postgres limits an index row to 2,700 bytes.
_MAX_KEY_LENGTH = 500
# The least weight of an item, so that a batch has at most 512 of them.
_ITEM_BYTES = 2 * 1024
# Some tools write a policy's settings into a second file, as a list or a text.
_SETTINGS_FILE = "_settings.json"


class DirectoryProvider:
    """An `InventoryProvider` over `root`, whose subfolders are the scopes.

    Every `*.json`, `*.yaml` and `*.yml` at any depth of a scope is a policy, unless the ignore file
    of `root` names it; the path in the scope is its key. Links that leave the scope or `root` are
    not followed. Messages contain no path of the server.
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
        files: dict[str, Entry | None] = {}
        async for listed in in_slices(self._threads, self._root, _entries(root, folder, scope_key)):
            files.update(listed)
        reading = _read_all(root, folder, scope_key, files)
        async for batch in in_slices(self._threads, self._root, reading, _weight):
            yield batch

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


def _entries(
    root: Path, folder: Sequence[str], scope_key: str
) -> Iterator[tuple[str, Entry | None]]:
    rules = read_ignore_rules(root)

    def why_ignored(path: Sequence[str], is_folder: bool) -> str | None:
        return rules.why_ignored((scope_key, *path), is_folder=is_folder)

    try:
        for file in policy_files(root, folder, why_ignored):
            key = _key(file)
            # A usual file is its key, because a sync holds all of them.
            yield key, None if file == _usual(key) else file
    except OSError as error:
        raise _unavailable("The scope's folder", error) from None


def _read_all(
    root: Path, folder: Sequence[str], scope_key: str, files: dict[str, Entry | None]
) -> Iterator[PolicyDocument | NotTaken]:
    """Read the files in the order of their keys."""
    for key in sorted(files):
        yield _read(root, folder, scope_key, key, files.pop(key) or _usual(key))


def _read(
    root: Path, folder: Sequence[str], scope_key: str, key: str, file: Entry
) -> PolicyDocument | NotTaken:
    if file.ignored:
        return NotTaken(key, ignored=file.ignored)
    try:
        if file.failure:
            raise file.failure
        content = read_file(root, (*folder, *file.path))
        if key.lower().endswith(_SETTINGS_FILE) and not isinstance(parse_json(content), dict):
            return NotTaken(key, ignored="Ignored by default: a policy's settings beside it.")
    except ProducerError as failure:
        return NotTaken.failed(key, failure)
    return PolicyDocument(key, content, scope_key, is_yaml(file.path[-1]))


def _usual(key: str) -> Entry:
    return Entry(tuple(key.split("/")))


def _weight(item: PolicyDocument | NotTaken) -> int:
    return _ITEM_BYTES + (len(item.content) if isinstance(item, PolicyDocument) else 0)


def _key(file: Entry) -> str:
    """Return the path as a unique printable text; a very long one ends in its hash."""
    key = posix = "/".join(file.path)
    # The common name is not copied, because a sync holds all of them.
    if not posix.isprintable() or "\\" in posix:
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
