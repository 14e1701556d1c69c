"""Scope keys: how a part of a tenant's inventory is named."""

import re

# Letters and digits of any script; never a separator, a leading dot or a space at an end.
_SCOPE_KEY = re.compile(r"[\w-](?:[\w. -]{0,98}[\w.-])?")


def valid_scope_key(key: str) -> bool:
    """Return whether `key` is 1 to 100 letters, digits, `._-` or inner spaces, no leading dot.

    Such a key is one plain name: as part of a path it never leads anywhere else.
    """
    return _SCOPE_KEY.fullmatch(key) is not None
