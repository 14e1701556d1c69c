"""Replaces the secrets of a text: what the tables describe, and what looks random."""

import re
from collections.abc import Callable
from functools import cache, lru_cache

import re2

from domain.redaction.patterns import SECRET_PATTERNS
from domain.redaction.patterns.pieces import MARKERS
from domain.redaction.randomness import RANDOM_HINT, random_spans

# Removed first, since they could split a secret: control characters except newline and tab,
# controls of writing direction, lone surrogates (Postgres stores neither them nor NUL), and the
# characters that stand for markers. None of them is printable.
_UNSAFE = re.compile(
    rf"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff{MARKERS}]"
)
# Adjacent literals, and a line that ends with a backslash: one string for Python.
_WRAP = re.compile(r"(?P<q>['\"])[ \t]*+\\?\n[ \t]*+[bBrRuUfF]{0,2}(?P=q)|\\\n[ \t]*+")
_WRAPPED_LINES = re.compile(
    r"^(?:[^\n]*(?:['\"][ \t]*+\\?\n(?=[ \t]*+[bBrRuUfF]{0,2}['\"])|\\\n))+[^\n]*", re.MULTILINE
)
_ROUNDS = 6

_RANDOM, _WHOLE = "[redacted:random]", "[redacted:text]"
_NAMES = sorted({pattern.marker for pattern in SECRET_PATTERNS} | {_RANDOM, _WHOLE})
# While patterns are applied, a marker is one noncharacter, so that no pattern reads its name.
_CHARS = dict(zip(_NAMES, map(chr, range(0xFDD0, 0xFDF0)), strict=False))
_MARKS = {ord(char): name for name, char in _CHARS.items()}
_MARKER = re.compile("|".join(map(re.escape, _NAMES)))


def hide_secrets(text: str) -> str:
    """Return `text` with markers for its secrets, and without control characters.

    It hides until no secret is left, so that applying it again changes nothing.
    """
    safe = text if text.isprintable() else _UNSAFE.sub("", text)
    before = _MARKER.sub(lambda match: _CHARS[match[0]], safe)
    for _ in range(_ROUNDS):
        after = _hidden(_unwrapped(before) if "\n" in before else before)
        if after == before:
            return after if after.isprintable() else after.translate(_MARKS)
        before = after
    return _WHOLE


def _unwrapped(text: str) -> str:
    """Give up the layout of wrapped lines if joining them uncovers a secret."""
    wrapped = "\n\n".join(lines[0] for lines in _WRAPPED_LINES.finditer(text))
    if not wrapped or _hidden(_WRAP.sub("", wrapped)) == _WRAP.sub("", _hidden(wrapped)):
        return text
    return _WRAP.sub("", text)


def _hidden(text: str) -> str:
    hints, patterns = _hints()
    if not (matched := hints.Match(text)):
        return text
    needed = 0
    for hint in matched:
        needed |= patterns[hint]
    for regex, replace in _rules(needed):
        text = regex.sub(replace, text)
    pieces: list[str] = []
    done = 0
    for start, end in random_spans(text):
        pieces += text[done:start], _CHARS[_RANDOM]
        done = end
    return "".join(pieces) + text[done:]


@cache
def _hints() -> tuple[re2.Set, list[int]]:
    """Return a cheap first test, and the patterns that each of its hints calls for, as bits.

    One pass over a text, below a microsecond for a line, finds the needles of all patterns and
    whether there is a word long enough to be random. Most texts have neither.
    """
    options = re2.Options()
    options.case_sensitive = False
    hints = re2.Set.SearchSet(options)
    hints.Add(RANDOM_HINT)
    needed_by: dict[str, int] = {}
    for at, pattern in enumerate(SECRET_PATTERNS):
        for needle in pattern.needles:
            needed_by[needle] = needed_by.get(needle, 0) | 1 << at
    for needle in needed_by:
        hints.Add(re2.escape(needle))
    hints.Compile()
    return hints, [0, *needed_by.values()]


@lru_cache(maxsize=512)
def _rules(needed: int) -> list[tuple[re.Pattern[str], Callable[[re.Match[str]], str]]]:
    chosen = (pattern for at, pattern in enumerate(SECRET_PATTERNS) if needed >> at & 1)
    return [(re.compile(p.source), _replacement(_CHARS[p.marker])) for p in chosen]


def _replacement(mark: str) -> Callable[[re.Match[str]], str]:
    # A function, since Python parses a template for every text, even if nothing matches.
    return lambda match: match["keep"] + mark
