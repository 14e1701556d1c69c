"""Makes texts safe to show and to log: what looks like a secret is replaced by a marker (R5).

>>> sanitize("cannot connect to redis://:hunter2@cache:6379/0")
'cannot connect to redis://[redacted:url-credentials]@cache:6379/0'
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from domain.redaction.fields import MARKERS
from domain.redaction.patterns import SECRET_PATTERNS, SecretPattern
from domain.redaction.randomness import random_spans

# Removed before anything is looked for, since they could split a secret: control characters
# but newline and tab, controls of writing direction, lone surrogates (Postgres stores neither
# them nor NUL), and the characters that stand for markers.
_UNSAFE = re.compile(
    rf"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff{MARKERS}]"
)
# Adjacent literals, and a line that ends with a backslash: one string for Python.
_WRAP = re.compile(r"(?P<q>['\"])[ \t]*+\\?\n[ \t]*+[bBrRuUfF]{0,2}(?P=q)|\\\n[ \t]*+")
_WRAPPED_LINES = re.compile(
    r"^(?:[^\n]*(?:['\"][ \t]*+\\?\n(?=[ \t]*+[bBrRuUfF]{0,2}['\"])|\\\n))+[^\n]*", re.MULTILINE
)
_ROUNDS = 6
_Replace = Callable[[re.Match[str]], str]

_RANDOM = "[redacted:random]"
_WHOLE = "[redacted:text]"
_NAMES = sorted({pattern.marker for pattern in SECRET_PATTERNS} | {_RANDOM, _WHOLE})
# While patterns are applied a marker is one noncharacter, so that none reads its name as text.
_CHARS = dict(zip(_NAMES, map(chr, range(0xFDD0, 0xFDF0)), strict=False))
_MARKS = {char: name for name, char in _CHARS.items()}
_MARKER = re.compile("|".join(map(re.escape, _NAMES)))
_MARK = re.compile(f"[{MARKERS}]")
_LONGEST_MARKER = max(map(len, _NAMES))


def _shrink(text: str) -> str:
    return _MARKER.sub(lambda match: _CHARS[match[0]], text)


# The patterns that each needle calls for, as bits: each needle is sought once per text.
_NEEDLES: dict[str, int] = {}
for _at, _pattern in enumerate(SECRET_PATTERNS):
    for _needle in _pattern.needles:
        _NEEDLES[_needle] = _NEEDLES.get(_needle, 0) | 1 << _at


def sanitize(text: str, *, max_length: int | None = None, names: Sequence[str] = ()) -> str:
    """Return `text` without secrets and control characters; harmless text stays as it is.

    Applying it again changes nothing. With `max_length` (characters, at least 1) a longer
    result is cut and ends with an ellipsis; a marker is left out rather than cut. Occurrences
    of `names`, which the caller shows elsewhere too, stay as they are.
    """
    if names:
        return _sanitize_around(names, text, max_length)
    shown = _MARK.sub(lambda match: _MARKS[match[0]], _settled(_shrink(_UNSAFE.sub("", text))))
    return shown if max_length is None or len(shown) <= max_length else _cut(shown, max_length - 1)


def _sanitize_around(names: Sequence[str], text: str, max_length: int | None) -> str:
    pieces = re.split(f"({'|'.join(map(re.escape, names))})", text)
    shown = "".join(piece if piece in names else sanitize(piece) for piece in pieces)
    if max_length is None or len(shown) <= max_length:
        return shown
    return f"{shown[: max_length - 1]}…"


def _settled(text: str) -> str:
    """Hide secrets until none is found, which is what makes `sanitize` idempotent."""
    for _ in range(_ROUNDS):
        hidden = _hidden(_unwrapped(text))
        if hidden == text:
            return text
        text = hidden
    return _CHARS[_WHOLE]


def _unwrapped(text: str) -> str:
    """Give up the layout of wrapped lines if joining them uncovers something."""
    wrapped = "\n\n".join(lines[0] for lines in _WRAPPED_LINES.finditer(text))
    if not wrapped or _hidden(_WRAP.sub("", wrapped)) == _WRAP.sub("", _hidden(wrapped)):
        return text
    return _WRAP.sub("", text)


def _hidden(text: str) -> str:
    lowered = text.lower()
    needed = 0
    for needle, patterns in _NEEDLES.items():
        if needle in lowered:
            needed |= patterns
    for regex, replacement in _rules(needed):
        text = regex.sub(replacement, text)
    pieces: list[str] = []
    done = 0
    for start, end in random_spans(text):
        pieces += text[done:start], _CHARS[_RANDOM]
        done = end
    return "".join(pieces) + text[done:]


@lru_cache(maxsize=512)
def _rules(needed: int) -> tuple[tuple[re.Pattern[str], _Replace], ...]:
    return tuple(
        (pattern.regex, _replacement(pattern))
        for at, pattern in enumerate(SECRET_PATTERNS)
        if needed >> at & 1
    )


def _replacement(pattern: SecretPattern) -> _Replace:
    # A function, since a template is looked up for every text, even if nothing matches.
    mark = _CHARS[pattern.marker]
    return (lambda match: match["keep"] + mark) if pattern.keeps else (lambda match: mark)


def _cut(text: str, end: int) -> str:
    for _ in range(_ROUNDS):
        bracket = text.rfind("[", max(0, end - _LONGEST_MARKER), end)
        if bracket >= 0 and (marker := _MARKER.match(text, bracket)) and marker.end() > end:
            end = bracket
        cut = text[:end] + "…"
        if sanitize(cut) == cut:
            return cut
        # What made a word harmless was cut off: leave the word out too.
        end = max(0, text.rfind(" ", 0, end))
    return "…"
