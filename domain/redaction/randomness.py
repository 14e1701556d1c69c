"""Distinguishes random strings, such as keys without a known prefix, from names and prose.

Each character is weighed by how much more likely it is in a random base64 string than in a
name that people wrote, given the character before it: a change of case within a word, a digit
among letters and a rare letter are signs of chance. The stretch with the highest sum decides,
so that a readable path in front of a key does not hide it.
"""

import math
import re
from collections.abc import Iterator
from itertools import pairwise

# How often a letter occurs in 32,000 identifiers and paths of Python packages, in per cent.
_SHARES = {"e": 11, "aiost": 7.4, "clnr": 5.9, "dgmpu": 3.4, "bfhkvy": 1.6, "wx": 0.7, "jqz": 0.2}
_LETTERS = {letter: share / 100 for letters, share in _SHARES.items() for letter in letters}
# How often a lower case letter, a capital, a digit or a sign (columns) follows one (rows).
_FOLLOWS = {
    "a": {"a": 0.85, "A": 0.02, "0": 0.01, "-": 0.12},
    "A": {"a": 0.55, "A": 0.35, "0": 0.03, "-": 0.07},
    "0": {"a": 0.10, "A": 0.03, "0": 0.60, "-": 0.27},
    "-": {"a": 0.70, "A": 0.10, "0": 0.07, "-": 0.13},
}
_SHARE_OF_ONE = {"0": 0.1, "-": 0.5}  # of all digits, or of all signs
_MOST_BITS, _ENOUGH_BITS = 4.0, 14.0

_SHORTEST, _LONGEST, _FEWEST_CHARS = 22, 1024, 7
# Shorter stretches in a longer run are ids, such as 16 hex digits in a path.
_SHORTEST_STRETCH = 20
# In an address the signs of base64 are three characters each, two of which weigh nothing.
_ESCAPED = re.compile(r"%2[BFbf]")
_FILLER = "\0"
_RUN = re.compile(rf"[A-Za-z0-9+/_{_FILLER}-]{{{_SHORTEST},}}={{0,2}}")
RANDOM_HINT = rf"(?:[a-z0-9+/_-]|%2[bf]){{{_SHORTEST}}}"
"""A text without a match of this RE2 regex, in any case, has no random spans."""
# GUIDs, and the hash of a publisher at the end of the name of a Windows package.
_KNOWN = re.compile(
    r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![0-9a-fA-F])"
    r"|(?<=[a-z]_)[0-9a-hjkmnp-tv-z]{13}(?![A-Za-z0-9+/=-])"
)
# Names seldom change so often between letters and digits, and have more than six letters.
_ONE_CASE = re.compile(r"[0-9a-z]{24,}|[0-9A-Z]{24,}")
_HEX = re.compile(r"[0-9a-f]+|[0-9A-F]+")
_FEWEST_CHANGES, _FEWEST_CHANGES_IN_HEX = 7, 3
_LOWER = re.compile(r"[a-z/_-]+")
_PART = re.compile(r"[A-Za-z0-9]+")
_WORD = re.compile(r"[A-Z]?[a-z]+|(?:[A-Z]?[a-z]{3,})+|[vV]?[0-9]{1,4}")
_LABEL = re.compile(
    r"(?:sha-?\d{1,3}|\bmd5|hash|digest|checksum|etag|revision|\brev|fingerprint"
    r"|thumbprint|\bcommit|\bblob|\btree|(?-i:\bid|_id|Id|ID)|uuid|guid|\brun|trace|traceparent|span"
    r"|cursor|\bunexpected error|idempotency[ _-]?key)[\s\"'`=:(/#-]{0,6}(?:00-)?$",
    re.IGNORECASE,
)


class _Bits(dict[tuple[str, str], float]):
    """The weight of a character after another, at least `least`, calculated on first use."""

    def __init__(self, least: float) -> None:
        self._least = least

    def __missing__(self, pair: tuple[str, str]) -> float:
        before, kind = map(_kind, pair)
        share = _SHARE_OF_ONE.get(kind) or _LETTERS[pair[1].lower()]
        bits = math.log2(1 / 64 / (_FOLLOWS[before][kind] * share))
        self[pair] = 0.0 if pair[1] == _FILLER else max(self._least, min(_MOST_BITS, bits))
        return self[pair]


def _kind(char: str) -> str:
    if char.isalpha():
        return "a" if char.islower() else "A"
    return "0" if char.isdigit() else "-"


_BITS, _GAINS = _Bits(-math.inf), _Bits(0.0)


def random_spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of each stretch that looks like a key, in order.

    Hashes and ids are left out where a word before them says what they are, GUIDs always.
    """
    if "%2" in text:
        text = _ESCAPED.sub(f"/{_FILLER * 2}", text)
    for run in _RUN.finditer(text):
        start, end = run.span()
        if end - start > _LONGEST:
            yield start, end
        elif len(run[0].rstrip("=").replace(_FILLER, "")) >= _SHORTEST:
            for known in _KNOWN.finditer(text, start, end):
                yield from _unlabelled(text, start, known.start())
                start = known.end()
            yield from _unlabelled(text, start, end)


def _unlabelled(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    if end - start < _SHORTEST_STRETCH or _LOWER.fullmatch(text, start, end):
        return
    # A run of one case is hidden whole or not at all, so a label before it saves the weighing.
    if not (_ONE_CASE.fullmatch(text, start, end) and _is_labelled(text, start)):
        spans = _candidates(text, start, end)
        yield from (span for span in spans if not _is_labelled(text, span[0]))


def _is_labelled(text: str, start: int) -> bool:
    return _LABEL.search(text, max(0, start - 32), start) is not None


def _candidates(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    bits, first, last = _stretch(text[start:end])
    if bits >= _ENOUGH_BITS and len(set(text[start + first : start + last])) >= _FEWEST_CHARS:
        span = _widened(text, start, end, start + first, start + last)
        if span[1] - span[0] >= _SHORTEST_STRETCH:
            yield span
            return
    for match in _ONE_CASE.finditer(text, start, end):
        changes = sum(a.isdigit() != b.isdigit() for a, b in pairwise(match[0]))
        if changes >= (_FEWEST_CHANGES_IN_HEX if _HEX.fullmatch(match[0]) else _FEWEST_CHANGES):
            yield match.span()


def _stretch(run: str) -> tuple[float, int, int]:
    """Return the highest sum of bits of any stretch, and where it starts and ends."""
    best = total = 0.0
    first = last = begin = 0
    # Most names gain too little in all, which takes less time to see.
    if sum(map(_GAINS.__getitem__, zip("-" + run, run, strict=False))) >= _ENOUGH_BITS:
        for end, bits in enumerate(map(_BITS.__getitem__, zip("-" + run, run, strict=False)), 1):
            total += bits
            if total <= 0:
                total, begin = 0.0, end
            elif total > best:
                best, first, last = total, begin, end
    return best, first, last


def _widened(text: str, start: int, end: int, first: int, last: int) -> tuple[int, int]:
    """Extend a stretch to whole parts, and on to neighbours that are not words."""
    parts = list(_PART.finditer(text, start, end))
    inside = [at for at, part in enumerate(parts) if part.end() > first and part.start() < last]
    low, high = inside[0], inside[-1]
    while low > 0 and not _WORD.fullmatch(parts[low - 1][0]):
        low -= 1
    while high + 1 < len(parts) and not _WORD.fullmatch(parts[high + 1][0]):
        high += 1
    rest = text[parts[high].end() : end]
    return parts[low].start(), parts[high].end() if rest.strip("=") else end
