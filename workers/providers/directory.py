"""Policies from a folder of exported JSON files, one object per file (P1)."""

import asyncio
import errno
import hashlib
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from domain.inventory.policies import identify, parse
from domain.inventory.provider import CatalogueEntry, PolicyDocument
from domain.inventory.scopes import valid_scope_key
from domain.runs.failures import FailureReason, ProducerError
from workers.providers.folders import Found, json_files, read_file

# A key is part of a primary key, and an index row of Postgres ends at 2,700 bytes.
_MAX_KEY_LENGTH = 500
_MAX_NAMED_TWINS = 5


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
    its key. No link is followed out of a scope, and none out of `root`. No message
    holds a path of the server.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._catalogues: dict[str, _Catalogue] = {}

    async def scopes(self) -> Sequence[str]:
        """Return the names of the subfolders that are valid scope keys, sorted.

        Raises:
            ProducerError: PROVIDER_UNAVAILABLE when the export folder cannot be listed.
        """
        _, folders = await asyncio.to_thread(_scope_folders, self._root)
        return sorted(folders)

    async def catalogue(self, scope_key: str) -> Sequence[CatalogueEntry]:
        """List the scope's policies, sorted by key; those that share a policy id all fail.

        Raises:
            ProducerError: SCOPE_NOT_FOUND, or PROVIDER_UNAVAILABLE.
        """
        root, folders = await asyncio.to_thread(_scope_folders, self._root)
        folder = folders.get(scope_key)
        if folder is None:
            raise ProducerError(FailureReason.SCOPE_NOT_FOUND, "There is no such scope.")
        try:
            found = await asyncio.to_thread(json_files, root, folder)
        except OSError as error:
            raise _unavailable("The scope's folder", error) from None
        files = {_key(file.path): file for file in found}
        # One thread call per file: a cancelled sync stops at the next one.
        listed = [
            await asyncio.to_thread(_entry, root, folder, key, file)
            for key, file in sorted(files.items())
        ]
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
        return await asyncio.to_thread(_document, self._catalogues[scope_key], key)


def _scope_folders(root: Path) -> tuple[Path, dict[str, tuple[str, ...]]]:
    real_root = Path(os.path.realpath(root))
    try:
        names = [path.name for path in real_root.iterdir() if valid_scope_key(path.name)]
    except OSError as error:
        raise _unavailable("The export folder", error) from None
    folders = {}
    for name in names:
        folder = Path(os.path.realpath(real_root / name))
        # Not Path.is_dir(): that raises where it may not look.
        if real_root in folder.parents and os.path.isdir(folder):  # noqa: PTH112
            folders[name] = folder.relative_to(real_root).parts
    return real_root, folders


def _entry(root: Path, folder: Sequence[str], key: str, file: Found) -> CatalogueEntry:
    try:
        if file.failure:
            raise file.failure
        policy_id, _, _ = identify(parse(read_file(root, (*folder, *file.path))))
    except ProducerError as failure:
        return CatalogueEntry(key, failure=_fresh(failure))
    return CatalogueEntry(key, policy_id)


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
    path = (*catalogue.folder, *catalogue.paths[key])
    body = parse(read_file(catalogue.root, path))
    policy_id, name, policy_type = identify(body)
    if policy_id != entry.policy_id:
        raise _changed("The file held another policy when it was listed.")
    return PolicyDocument(key, policy_id, name, policy_type, body)


def _key(path: Sequence[str]) -> str:
    """Return the path as a printable text, one to one; a very long one ends in its hash."""
    posix = "/".join(path)
    key = "".join(
        char if char.isprintable() and char != "\\" else char.encode("unicode_escape").decode()
        for char in posix
    )
    if len(key) <= _MAX_KEY_LENGTH:
        return key
    digest = hashlib.sha256(os.fsencode(posix)).hexdigest()
    return f"{key[: _MAX_KEY_LENGTH - len(digest) - 1]}…{digest}"


def _duplicate(entry: CatalogueEntry, keys: Sequence[str]) -> ProducerError:
    twins = [key for key in keys if key != entry.key]
    shown = ", ".join(twins[:_MAX_NAMED_TWINS])
    more = len(twins) - _MAX_NAMED_TWINS
    return ProducerError(
        FailureReason.DUPLICATE_ID,
        f"The policy id {entry.policy_id} is also in {shown}"
        f"{f' and {more} more' if more > 0 else ''}; keep one of them.",
    )


def _fresh(failure: ProducerError) -> ProducerError:
    # A raised one holds on to its frames, and those to the whole file.
    return ProducerError(failure.reason, failure.message)


def _changed(message: str) -> ProducerError:
    return ProducerError(FailureReason.CHANGED_WHILE_READING, message)


def _unavailable(what: str, error: OSError) -> ProducerError:
    reason = os.strerror(error.errno or errno.EIO)
    return ProducerError(FailureReason.PROVIDER_UNAVAILABLE, f"{what} cannot be read: {reason}.")
