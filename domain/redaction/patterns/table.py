"""How the pattern tables are written, and how they are read.

    connection-string | ; | A value may hold blanks       marker | needles | what it is about
      after   ;[ ]?[pP](?i:wd)=                           stays readable before the secret
      hide    [^;]{1,128}+(?=;)                           the secret
      example uid=sa;Pwd=⟦a b⟧;x=1                        ⟦ ⟧ enclose the secret, ⏎ breaks the line

`after` and the last column are optional, `example` can be repeated, and a line that starts with
`# ` is a comment. A line that is indented further continues the one above. `{NAME}` inserts a
piece from `pieces.py` or of the module.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from domain.redaction.patterns.pieces import PIECES, expand

_FIELD = re.compile(r"^  (after|hide|example) +", re.MULTILINE)


class SecretPattern(NamedTuple):
    """One form of secret.

    Every match contains one of the `needles`, in any case: a text without them is not searched.
    The group `keep` of a match stays readable before the marker.
    """

    name: str
    needles: tuple[str, ...]
    source: str
    examples: tuple[str, ...]

    @property
    def marker(self) -> str:
        """The text that replaces the secret, such as `[redacted:jwt]`."""
        return f"[redacted:{self.name}]"


def read_table(table: str, pieces: Mapping[str, str] | None = None) -> tuple[SecretPattern, ...]:
    """Return the patterns of a table in order; `pieces` are the module's pieces."""
    entries = re.sub(r"^#.*\n", "", table.strip(), flags=re.MULTILINE)
    known = PIECES | dict(pieces or {})
    return tuple(_read_entry(entry, known) for entry in re.split(r"\n(?=\S)", entries))


def _read_entry(entry: str, pieces: Mapping[str, str]) -> SecretPattern:
    header, *fields = _FIELD.split(entry)
    name, needles = header.split(" | ")[:2]
    values: dict[str, list[str]] = {"after": [], "hide": [], "example": []}
    for field, value in zip(fields[::2], fields[1::2], strict=True):
        values[field].append("".join(map(str.strip, value.splitlines())))
    after, hide = "".join(values["after"]), "".join(values["hide"])
    source = expand(f"(?P<keep>{after})(?:{hide})", pieces)
    return SecretPattern(name, tuple(needles.split()), source, tuple(values["example"]))
