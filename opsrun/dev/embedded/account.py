"""The account that the embedded servers run as.

They run as the current user. But Postgres refuses to run as root, so root's servers run as an
account that every system has, that owns no files, and that is in the password database, as `initdb`
requires.
"""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from opsrun.dev.embedded.errors import EmbeddedServerError

_NAME = "nobody"


@dataclass(frozen=True, slots=True)
class Account:
    """The unprivileged account of root's servers."""

    uid: int
    gid: int


def server_account() -> Account | None:
    """Return the account of root's servers; None if the servers run as the current user.

    Raises:
        EmbeddedServerError: the user is root, and this system lacks the account.
    """
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(_NAME)
    except KeyError:
        raise EmbeddedServerError(
            f"Postgres does not run as root, and this system has no account `{_NAME}`. "
            "Add that account, or start as a normal user."
        ) from None
    return Account(entry.pw_uid, entry.pw_gid)


def can_reach(account: Account | None, path: Path) -> bool:
    """Return whether `account` may enter every folder on the way to `path`, and `path` itself.

    It ignores groups and access lists. A wrong False causes a copy, but breaks nothing.
    """
    if account is None:
        return True
    for part in (path, *path.parents):
        status = part.stat()
        if not status.st_mode & (0o100 if status.st_uid == account.uid else 0o001):
            return False
    return True
