"""The account that the servers run as.

Postgres refuses to run as root, so root's servers run as `nobody`. Every system has this account,
it owns nothing else, and `initdb` finds it in the password database, which it requires. Other
users' servers run as that user.
"""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from opsrun.dev.embedded.errors import EmbeddedServerError


@dataclass(frozen=True, slots=True)
class Account:
    """The unprivileged account of root's servers."""

    uid: int
    gid: int


def server_account() -> Account | None:
    """Return the account of root's servers; None if the servers run as the current user.

    Raises:
        EmbeddedServerError: the user is root and there is no account `nobody`.
    """
    if os.geteuid() != 0:
        return None
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise EmbeddedServerError(
            "Postgres does not run as root, and this system has no account `nobody`. "
            "Add that account, or start as a normal user."
        ) from None
    return Account(nobody.pw_uid, nobody.pw_gid)


def can_reach(account: Account | None, path: Path) -> bool:
    """Return whether `account` may enter every folder on the way to `path`, and `path` itself.

    It ignores groups and access lists. A wrong False costs a copy, but breaks nothing.
    """
    if account is None:
        return True
    for part in (path, *path.parents):
        status = part.stat()
        if not status.st_mode & (0o100 if status.st_uid == account.uid else 0o001):
            return False
    return True
