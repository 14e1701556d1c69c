"""Policies from a folder of exported JSON files, one object per file (P1)."""

import errno
import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from domain.inventory.completeness import require_complete
from domain.inventory.policies import identify, parse, parse_json, storable
from domain.inventory.provider import CatalogueEntry, PolicyDocument
from domain.inventory.scopes import normal_scope_key, valid_scope_key
from domain.runs.failures import FailureReason, ProducerError
from workers.bounded_threads import BoundedThreads
from workers.providers.file_threads import FILE_THREADS, in_file_thread, in_slices
from workers.providers.folders import Found, json_files, read_file
from workers.providers.ignoring import read_ignore_rules

T = TypeVar("T")

# A key is part of a primary key, and an index row of Postgres ends at 2,700 bytes.
_MAX_KEY_LENGTH = 500
_MAX_NAMED_TWINS = 5
_MAX_TWIN_SHOWN = 80
# Some tools write a policy's settings into a file beside it, as a list or a text.
_SETTINGS_FILE = "_settings.json"


@dataclass(frozen=True, slots=True)
class _Catalogue:
    """What a scope held, and where: a folder that is swapped meanwhile stays the one listed."""

    root: Path
    folder: tuple[str, ...]
    paths: Mapping[str, tuple[str, ...]]
    entries: Mapping[str, CatalogueEntry]


class DirectoryProvider:
    """An `InventoryProvider` over `root`, whose subfolders are the scopes.

    Every `*.json` at any depth of a scope is a policy, and its path in the scope is
    its key. No link is followed out of a scope, and none out of `root`. What the ignore file
    of `root` names is not a policy. No message holds a path of the server.
    """

    def __init__(self, root: Path, threads: BoundedThreads = FILE_THREADS) -> None:
        self._root = root
        self._threads = threads
        self._catalogues: dict[str, _Catalogue] = {}

    async def scopes(self) -> Sequence[str]:
        """Return the names of the subfolders that are valid scope keys, sorted.

        Raises:
            ProducerError: PROVIDER_UNAVAILABLE when the export folder cannot be listed.
        """
        _, folders = await self._in_thread(partial(_scope_folders, self._root))
        return sorted(folders)

    async def catalogue(self, scope_key: str) -> Sequence[CatalogueEntry]:
        """List the scope's policies, sorted by key; those that share a policy id all fail.

        Raises:
            ProducerError: SCOPE_NOT_FOUND, SCOPE_AMBIGUOUS, INVALID_IGNORE_FILE or
                PROVIDER_UNAVAILABLE.
        """
        root, folders = await self._in_thread(partial(_scope_folders, self._root))
        folder = _only_folder(folders.get(scope_key, set()))
        found = await in_slices(self._threads, self._root, _found(root, folder, scope_key))
        files = {_key(file): file for file in found}
        entries_read = (_entry(root, folder, key, file) for key, file in sorted(files.items()))
        listed = await in_slices(self._threads, self._root, entries_read)
        entries = _without_twins(listed)
        self._catalogues[scope_key] = _Catalogue(
            root,
            folder,
            {key: file.path for key, file in files.items()},
            {entry.key: entry for entry in entries},
        )
        return entries

    async def read(self, scope_key: str, key: str) -> PolicyDocument:
        """Read one policy of this provider's last catalogue of the scope, or of a new one.

        Raises:
            ProducerError: CHANGED_WHILE_READING when the file is gone or holds another
                policy by now; else what is wrong with it.
        """
        if scope_key not in self._catalogues:
            await self.catalogue(scope_key)
        return await self._in_thread(partial(_document, self._catalogues[scope_key], key))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await in_file_thread(self._threads, self._root, work)


def _scope_folders(root: Path) -> tuple[Path, dict[str, set[tuple[str, ...]]]]:
    """Return the real root, and by scope key the folders of that name: one, or a few alike."""
    real_root = Path(os.path.realpath(root))
    try:
        names = [path.name for path in real_root.iterdir()]
    except OSError as error:
        raise _unavailable("The export folder", error) from None
    folders = defaultdict(set)
    for name in names:
        key, folder = normal_scope_key(name), Path(os.path.realpath(real_root / name))
        # Not Path.is_dir(): that raises where it may not look.
        if valid_scope_key(key) and real_root in folder.parents and os.path.isdir(folder):  # noqa: PTH112
            folders[key].add(folder.relative_to(real_root).parts)
    return real_root, folders


def _only_folder(folders: set[tuple[str, ...]]) -> tuple[str, ...]:
    if not folders:
        raise ProducerError(FailureReason.SCOPE_NOT_FOUND, "There is no such scope.")
    if len(folders) > 1:
        raise ProducerError(
            FailureReason.SCOPE_AMBIGUOUS,
            "Two folders have this name, written in different Unicode forms; keep one of them.",
        )
    (folder,) = folders
    return folder


def _found(root: Path, folder: Sequence[str], scope_key: str) -> Iterator[Found]:
    rules = read_ignore_rules(root)

    def why_ignored(path: Sequence[str], *, is_folder: bool = False) -> str | None:
        return rules.why_ignored((scope_key, *path), is_folder=is_folder)

    try:
        yield from json_files(root, folder, why_ignored)
    except OSError as error:
        raise _unavailable("The scope's folder", error) from None


def _entry(root: Path, folder: Sequence[str], key: str, file: Found) -> CatalogueEntry:
    if file.ignored:
        return CatalogueEntry(key, ignored=file.ignored)
    try:
        if file.failure:
            raise file.failure
        body = parse_json(read_file(root, (*folder, *file.path)))
        if key.lower().endswith(_SETTINGS_FILE) and not isinstance(body, dict):
            return CatalogueEntry(key, ignored="Ignored by default: a policy's settings beside it.")
        policy_id, _, _ = _policy(storable(body))
    except ProducerError as failure:
        return CatalogueEntry(key, failure=_fresh(failure))
    return CatalogueEntry(key, policy_id)


def _policy(body: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return what identifies a whole policy."""
    require_complete(body)
    return identify(body)


def _without_twins(entries: Sequence[CatalogueEntry]) -> list[CatalogueEntry]:
    keys = defaultdict(list)
    for entry in entries:
        if entry.policy_id is not None:
            keys[entry.policy_id].append(entry.key)
    return [
        entry
        if entry.policy_id is None or len(keys[entry.policy_id]) == 1
        else CatalogueEntry(entry.key, failure=_duplicate(entry, keys[entry.policy_id]))
        for entry in entries
    ]


def _document(catalogue: _Catalogue, key: str) -> PolicyDocument:
    entry = catalogue.entries.get(key)
    if entry is None:
        raise _changed("The scope held no such file when it was listed.")
    if entry.failure:
        raise _fresh(entry.failure)
    if entry.ignored:
        raise _changed("The file was ignored when it was listed.")
    path = (*catalogue.folder, *catalogue.paths[key])
    body = parse(read_file(catalogue.root, path))
    policy_id, name, policy_type = _policy(body)
    if policy_id != entry.policy_id:
        raise _changed("The file held another policy when it was listed.")
    return PolicyDocument(key, policy_id, name, policy_type, body)


def _key(file: Found) -> str:
    """Return the path as a printable text, one to one; a very long one ends in its hash."""
    posix = "/".join(file.path)
    key = "".join(
        char if char.isprintable() and char != "\\" else char.encode("unicode_escape").decode()
        for char in posix
    )
    if len(key) <= _MAX_KEY_LENGTH:
        return key
    digest = hashlib.sha256(os.fsencode(posix)).hexdigest()
    return f"{key[: _MAX_KEY_LENGTH - len(digest) - 1]}…{digest}"


def _duplicate(entry: CatalogueEntry, keys: Sequence[str]) -> ProducerError:
    twins = [_shortened(key) for key in keys if key != entry.key]
    shown = twins[:_MAX_NAMED_TWINS]
    more = f" and {len(twins) - len(shown)} more" if len(twins) > len(shown) else ""
    return ProducerError(
        FailureReason.DUPLICATE_ID,
        f"The policy id {entry.policy_id} is also in {', '.join(shown)}{more}; keep one of them.",
        names=shown,
    )


def _shortened(key: str) -> str:
    # The end tells more: the folders are alike.
    return key if len(key) <= _MAX_TWIN_SHOWN else f"…{key[1 - _MAX_TWIN_SHOWN :]}"


def _fresh(failure: ProducerError) -> ProducerError:
    # A raised one holds on to its frames, and those to the whole file.
    return ProducerError(failure.reason, failure.message, failure.names)


def _changed(message: str) -> ProducerError:
    return ProducerError(FailureReason.CHANGED_WHILE_READING, message)


def _unavailable(what: str, error: OSError) -> ProducerError:
    reason = os.strerror(error.errno or errno.EIO)
    return ProducerError(FailureReason.PROVIDER_UNAVAILABLE, f"{what} cannot be read: {reason}.")
