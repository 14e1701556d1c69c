"""Makes texts safe to show and to log: replaces what looks like a secret by a marker (R5).

>>> sanitize("cannot connect to redis://:hunter2@cache:6379/0")
'cannot connect to redis://[redacted:url-credentials]@cache:6379/0'
"""

import re
from collections.abc import Callable, Sequence
from functools import cache

_MARKER = r"\[redacted:[a-z-]+\]"
_CUTS = 6


def sanitize(text: str, *, max_length: int | None = None, names: Sequence[str] = ()) -> str:
    """Return `text` without secrets and control characters; a harmless text is not changed.

    Applying it again changes nothing. With `max_length` (characters, at least 1) a longer
    result is cut and ends with an ellipsis; a marker is left out rather than cut. Occurrences
    of `names`, which the caller shows elsewhere too, stay as they are.
    """
    hide = _hide()
    if names:
        pieces = re.split(f"({'|'.join(map(re.escape, names))})", text)
        hidden = "".join(piece if piece in names else hide(piece) for piece in pieces)
    else:
        hidden = hide(text)
    if max_length is None or len(hidden) <= max_length:
        return hidden
    return f"{hidden[: max_length - 1]}…" if names else _cut(hidden, max_length - 1)


@cache
def _hide() -> Callable[[str], str]:
    # Imported on first use: building the tables takes 20 ms, which not every process needs.
    from domain.redaction.hiding import hide_secrets

    return hide_secrets


def _cut(text: str, end: int) -> str:
    for _ in range(_CUTS):
        bracket = text.rfind("[", 0, end)
        marker = re.match(_MARKER, text[bracket:]) if bracket >= 0 else None
        if marker and bracket + marker.end() > end:
            end = bracket
        cut = text[:end] + "…"
        if sanitize(cut) == cut:
            return cut
        # What made a word harmless was cut off: leave the word out too.
        end = max(0, text.rfind(" ", 0, end))
    return "…"
