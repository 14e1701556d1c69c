"""Scope keys: the names of scopes."""

import re
import unicodedata

MAX_SCOPE_KEY_LENGTH = 100

# Letters and digits of any script; never a separator, a leading dot or a space at an end.
_SCOPE_KEY = re.compile(r"[\w-](?:[\w. -]*[\w.-])?")


def normal_scope_key(key: str) -> str:
    """Return the key in the form that is stored and compared (NFC).

    Some systems write the `ü` of a folder `Zürich` as one character, others as two.
    """
    return unicodedata.normalize("NFC", key)


def valid_scope_key(key: str) -> bool:
    """Return whether `key` is 1 to 100 letters, digits, `._-` or inner spaces, no leading dot.

    A letter may carry combining marks, as in Devanagari or Hebrew. A valid key is always a single
    component of a path.
    """
    if len(key) > MAX_SCOPE_KEY_LENGTH:
        return False
    plain = ""
    for char in key:
        if not unicodedata.category(char).startswith("M"):
            plain += char
        elif not plain[-1:].isalpha():
            return False
    return _SCOPE_KEY.fullmatch(plain) is not None
