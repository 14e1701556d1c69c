"""Traces of a tenant in a response, in every spelling."""

import re
from collections.abc import Iterable
from uuid import UUID, uuid4

from gql.ids import decode_base64
from tests.ledger import TENANT_COLUMNS
from tests.world import World

_HEX = re.compile(r"[0-9a-f]{32}")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,}")
# The parts of a response that change every time.
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.+Z]+")
_SECONDS = re.compile(r"\d+\.\d+")


async def marks(world: World) -> set[str]:
    """Return the slug, which all names of the tenant contain, and the ids in all its rows."""
    texts = {world.slug}
    for table, column in TENANT_COLUMNS.items():
        for (row,) in await world.rows(
            f"SELECT to_jsonb(t)::text FROM {table.fullname} t WHERE {column.name} = :tenant_id"
        ):
            texts |= {UUID(text).hex for text in _UUID.findall(row)}
    return texts


def traces(content: bytes, marks: Iterable[str], sent: Iterable[str] = ()) -> set[str]:
    """Return the marks in a response, also inside its ids and cursors, except those in `sent`."""
    text = _without(content.decode(), sent)
    inside = [
        _without(decoded, sent) for token in _TOKEN.findall(text) if (decoded := _opened(token))
    ]
    searched = "\n".join([text, *inside]).replace("-", "")
    return {mark for mark in marks if mark.replace("-", "") in searched}


def comparable(content: bytes, sent: Iterable[str]) -> str:
    """Return a response without what was sent and without the parts that change every time."""
    text = _TOKEN.sub("…", _without(content.decode(), sent))
    # A cursor of ours may begin like the one that was sent.
    return re.sub("…+", "…", _SECONDS.sub("…", _MOMENT.sub("…", text)))


def another(text: str) -> str:
    """Return the text with ids and slugs that do not exist."""
    return _HEX.sub(lambda _: uuid4().hex, text)


def _without(text: str, sent: Iterable[str]) -> str:
    for part in sorted(sent, key=len, reverse=True):
        text = text.replace(part, "…")
    return text


def _opened(token: str) -> str:
    try:
        return decode_base64(token)
    except ValueError:
        return ""
