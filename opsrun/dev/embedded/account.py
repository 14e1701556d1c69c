"""Whom the servers run as.

Postgres refuses to run as root, so root's servers run as `nobody`: an account
that every system has, that owns nothing else, and that `initdb` finds in the
password database (it refuses a bare number). Anyone else's servers run as
that user.
"""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from opsrun.dev.embedded.errors import EmbeddedServerError


@dataclass(frozen=True, slots=True)
class Account:
    """The unprivileged account that root hands its servers to."""

    uid: int
    gid: int


def server_account() -> Account | None:
    """Return the account to drop to, or None when the servers run as ourselves.

    Raises:
        EmbeddedServerError: we are root and there is no `nobody`.
    """
    if os.geteuid() != 0:
        return None
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise EmbeddedServerError(
            "Postgres does not run as root, and this system has no account `nobody` to run it as. "
            "Add that account, or start as a normal user."
        ) from None
    return Account(nobody.pw_uid, nobody.pw_gid)


def can_reach(account: Account | None, path: Path) -> bool:
    """Tell whether `account` may pass every folder down to `path`, and enter or execute it.

    Looks at the permission bits only and counts no group, so it may say no where
    the system would say yes, which costs a copy but breaks nothing.
    """
    if account is None:
        return True
    for part in (path, *path.parents):
        status = part.stat()
        if not status.st_mode & (0o100 if status.st_uid == account.uid else 0o001):
            return False
    return True
