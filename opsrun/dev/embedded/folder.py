"""The data folder, its locks and its passwords.

    opsrun-embedded.json   shows that Opsrun made the folder, and holds the passwords, mode 0600
    owner.pid              the process that uses the folder, for error messages
    servers.lock           held by every Postgres process that uses the folder
    postgres/              the cluster; postgres.new/ during its creation
    postgres.log, valkey.log
    programs/              copies of the binaries, if root needs them

There are two locks. The owner locks the folder until it ends. The servers inherit `servers.lock`,
so it is free only after the last server has ended, even if the owner was killed. Both locks need a
local file system.
"""

import asyncio
import fcntl
import json
import os
import pwd
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from opsrun.dev.embedded.account import Account, server_account
from opsrun.dev.embedded.errors import EmbeddedServerError

MARKER = "opsrun-embedded.json"
LEFTOVER_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class DataFolder:
    """A folder that only this process uses."""

    path: Path
    account: Account | None
    postgres_password: str = field(repr=False)
    valkey_password: str = field(repr=False)
    servers_lock: int

    async def wait_for_leftovers(self) -> None:
        """Wait until the servers of a killed owner have ended, and take their lock.

        Raises:
            EmbeddedServerError: they still run after `LEFTOVER_SECONDS`.
        """
        deadline = time.monotonic() + LEFTOVER_SECONDS
        while not _lock(self.servers_lock):
            if time.monotonic() > deadline:
                raise EmbeddedServerError(
                    f"A Postgres of an earlier start still uses {self.path}, "
                    f"{LEFTOVER_SECONDS:.0f} seconds after its owner ended. "
                    "Stop it, then start again."
                )
            await asyncio.sleep(0.02)


@contextmanager
def claimed_folder(path: Path) -> Iterator[DataFolder]:
    """Lock `path` for this process during the context; create it if necessary.

    Raises:
        EmbeddedServerError: another process uses it, it belongs to another user, it
            contains other files, or the system denies access.
    """
    account = server_account()
    with ExitStack() as stack:
        try:
            path = path.resolve()
            # Root's servers must be able to enter the folder; its files are protected separately.
            path.mkdir(mode=0o700 if account is None else 0o711, parents=True, exist_ok=True)
            folder_lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            stack.callback(os.close, folder_lock)
            if not _lock(folder_lock):
                raise EmbeddedServerError(
                    f"The data folder {path} is in use by {_owner(path)}. "
                    "Stop that one first, or choose another folder."
                )
            _check_user(path)
            passwords = _passwords(path)
            (path / "owner.pid").write_text(f"{os.getpid()}\n")
            servers_lock = os.open(path / "servers.lock", os.O_RDWR | os.O_CREAT, 0o600)
            stack.callback(os.close, servers_lock)
        except OSError as error:
            raise EmbeddedServerError(f"Cannot use the data folder {path}: {error}") from error
        yield DataFolder(path, account, passwords["postgres"], passwords["valkey"], servers_lock)


def write_through(path: Path) -> None:
    """Flush a file, or a folder's list of names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _owner(path: Path) -> str:
    try:
        return f"the process with pid {int((path / 'owner.pid').read_text())}"
    except (OSError, ValueError):
        return "another process"


def _check_user(path: Path) -> None:
    owner = path.stat().st_uid
    if owner == os.geteuid():
        return
    try:
        name = pwd.getpwuid(owner).pw_name
    except KeyError:
        name = f"with uid {owner}"
    # This includes root: the folder's owner could redirect root's writes by a symbolic link.
    raise EmbeddedServerError(
        f"The data folder {path} belongs to the user {name}. "
        "Start as that user, or choose another folder."
    )


def _passwords(path: Path) -> dict[str, str]:
    marker = path / MARKER
    unfinished = path / f"{MARKER}.new"
    if not marker.exists():
        if set(path.iterdir()) - {unfinished}:
            raise EmbeddedServerError(
                f"The folder {path} is not empty and was not created by opsrun; it is unchanged. "
                "Choose an empty or a new folder."
            )
        unfinished.touch(mode=0o600)
        passwords = {server: secrets.token_hex(16) for server in ("postgres", "valkey")}
        unfinished.write_text(json.dumps(passwords))
        write_through(unfinished)
        unfinished.rename(marker)
        write_through(path)
    try:
        stored = json.loads(marker.read_text())
        return {server: str(stored[server]) for server in ("postgres", "valkey")}
    except (ValueError, KeyError, TypeError) as error:
        raise EmbeddedServerError(
            f"{marker}, which holds the passwords of the servers, is damaged. "
            "Restore that file, or move the folder away to start with an empty one."
        ) from error
