"""Secrets in what tools, databases and people of several languages print, and their neighbours.

Each place stands on a line of a file in `tool_secrets`; `{value}` is the secret, and `⏎` a
line break. Most were written before the patterns that find them; `later.txt`, and the last
lines of `pin.txt`, `xml.txt` and `harmless.txt`, were written after.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from urllib.parse import quote

from tests.domain.redaction.secrets_corpus import (
    BASE62,
    SecretCase,
    chars,
    password,
    plain_password,
    seeded,
)

FOLDER = Path(__file__).parent / "tool_secrets"
PASSWORD_KINDS = """netrc constructor sql_echo ldap keytool net smb rabbit commands xml phrases
    rest later"""


def _places(kind: str) -> list[str]:
    text = (FOLDER / f"{kind}.txt").read_text(encoding="utf-8")
    return [line.replace("⏎", "\n") for line in text.splitlines()]


def tool_secret_cases(seed: int = 40) -> Iterator[SecretCase]:
    """Yield each place with two values, as its kind of secret is made."""
    rnd = seeded(seed)
    for kind in PASSWORD_KINDS.split():
        yield from _cases(rnd, kind, password, plain_password)
    yield from _cases(rnd, "pin", _pin, _pin)
    yield from _cases(rnd, "session", _session, _session)
    # Values are encoded as the address around them is.
    yield from _cases(rnd, "encoded", _escaped_password, _session)


def tool_harmless_texts() -> list[str]:
    """Return texts that look like those with a secret and must come back unchanged."""
    return _places("harmless")


def _cases(rnd: Random, kind: str, *makers: Callable[[Random], str]) -> Iterator[SecretCase]:
    for place in _places(kind):
        for make in makers:
            value = make(rnd)
            yield SecretCase(kind, value, place.replace("{value}", value))


def _pin(rnd: Random) -> str:
    return str(rnd.randrange(1000, 999_999))


def _session(rnd: Random) -> str:
    return chars(rnd, BASE62, 15) + "7"


def _escaped_password(rnd: Random) -> str:
    return quote(quote(password(rnd), safe=""), safe="")
