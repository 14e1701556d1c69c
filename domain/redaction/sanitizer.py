"""Makes texts safe to show and to log: replaces what looks like a secret by a marker (R5).

>>> sanitize("cannot connect to redis://:hunter2@cache:6379/0")
'cannot connect to redis://[redacted:url-credentials]@cache:6379/0'
"""

import re
from collections.abc import Callable, Sequence
from functools import cache, lru_cache

import re2

from domain.redaction.patterns import SECRET_PATTERNS, SecretPattern
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

_RANDOM = "[redacted:random]"
_WHOLE = "[redacted:text]"
_NAMES = sorted({pattern.marker for pattern in SECRET_PATTERNS} | {_RANDOM, _WHOLE})
# While patterns are applied, a marker is one noncharacter, so that no pattern reads its name.
_CHARS = dict(zip(_NAMES, map(chr, range(0xFDD0, 0xFDF0)), strict=False))
_MARKS = {ord(char): name for name, char in _CHARS.items()}
_MARKER = re.compile(r"\[redacted:(?:{})\]".format("|".join(name[10:-1] for name in _NAMES)))
_LONGEST_MARKER = max(map(len, _NAMES))


def sanitize(text: str, *, max_length: int | None = None, names: Sequence[str] = ()) -> str:
    """Return `text` without secrets and control characters; a harmless text is not changed.

    Applying it again changes nothing. With `max_length` (characters, at least 1) a longer
    result is cut and ends with an ellipsis; a marker is left out rather than cut. Occurrences
    of `names`, which the caller shows elsewhere too, stay as they are.
    """
    if names:
        return _sanitize_around(names, text, max_length)
    safe = text if text.isprintable() else _UNSAFE.sub("", text)
    settled = _settled(_MARKER.sub(lambda match: _CHARS[match[0]], safe))
    shown = settled if settled.isprintable() else settled.translate(_MARKS)
    return shown if max_length is None or len(shown) <= max_length else _cut(shown, max_length - 1)


def _sanitize_around(names: Sequence[str], text: str, max_length: int | None) -> str:
    pieces = re.split(f"({'|'.join(map(re.escape, names))})", text)
    shown = "".join(piece if piece in names else sanitize(piece) for piece in pieces)
    if max_length is None or len(shown) <= max_length:
        return shown
    return f"{shown[: max_length - 1]}…"


def _settled(text: str) -> str:
    """Hide secrets until there are none left, which is what makes `sanitize` idempotent."""
    for _ in range(_ROUNDS):
        hidden = _hidden(_unwrapped(text) if "\n" in text else text)
        if hidden == text:
            return text
        text = hidden
    return _CHARS[_WHOLE]


def _unwrapped(text: str) -> str:
    """Give up the layout of wrapped lines if joining them uncovers a secret."""
    wrapped = "\n\n".join(lines[0] for lines in _WRAPPED_LINES.finditer(text))
    if not wrapped or _hidden(_WRAP.sub("", wrapped)) == _WRAP.sub("", _hidden(wrapped)):
        return text
    return _WRAP.sub("", text)


def _hidden(text: str) -> str:
    hints, patterns_by_hint = _hints()
    matched = hints.Match(text)
    if not matched:
        return text
    needed = 0
    for hint in matched:
        needed |= patterns_by_hint[hint]
    for regex, replace in _rules(needed):
        text = regex.sub(replace, text)
    pieces: list[str] = []
    done = 0
    for start, end in random_spans(text):
        pieces += text[done:start], _CHARS[_RANDOM]
        done = end
    return "".join(pieces) + text[done:] if pieces else text


@cache
def _hints() -> tuple[re2.Set, list[int]]:
    """Return the cheap first test, and the patterns that each of its hints calls for, as bits.

    One pass over a text, below a microsecond for a line, finds every needle of every pattern
    and whether there is a word long enough to be random. Most texts hold none of them.
    """
    options = re2.Options()
    options.case_sensitive = False
    hints = re2.Set.SearchSet(options)
    hints.Add(RANDOM_HINT)
    patterns = [0]
    for needle in sorted({needle for pattern in SECRET_PATTERNS for needle in pattern.needles}):
        hints.Add(re2.escape(needle))
        needed_by = (at for at, p in enumerate(SECRET_PATTERNS) if needle in p.needles)
        patterns.append(sum(1 << at for at in needed_by))
    hints.Compile()
    return hints, patterns


@lru_cache(maxsize=512)
def _rules(needed: int) -> tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...]:
    return tuple(_rule(p) for at, p in enumerate(SECRET_PATTERNS) if needed >> at & 1)


@cache
def _rule(pattern: SecretPattern) -> tuple[re.Pattern[str], Callable[[re.Match[str]], str]]:
    # A function, since a template is looked up for every text, even if nothing matches.
    regex, mark = pattern.compile(), _CHARS[pattern.marker]
    keeps = "keep" in regex.groupindex
    return regex, (lambda match: match["keep"] + mark) if keeps else (lambda match: mark)


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
