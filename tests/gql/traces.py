"""What of a tenant can be found in an answer, however it is spelled there."""

import re
from collections.abc import Iterable
from uuid import UUID, uuid4

from gql.ids import decode_base64
from tests.domain.ledger import TENANT_COLUMNS
from tests.world import World

_HEX = re.compile(r"[0-9a-f]{32}")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,}")
# What changes from one answer to the next by itself.
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.+Z]+")
_SECONDS = re.compile(r"\d+\.\d+")


async def marks(world: World) -> set[str]:
    """Return the tenant's slug, which all its names have in them, and the ids in all its rows."""
    found = {world.slug}
    for table, column in TENANT_COLUMNS.items():
        for (row,) in await world.rows(
            f"SELECT to_jsonb(t)::text FROM {table.fullname} t WHERE {column.name} = :tenant_id"
        ):
            found |= {UUID(text).hex for text in _UUID.findall(row)}
    return found


def traces(content: bytes, marks: Iterable[str], sent: Iterable[str] = ()) -> set[str]:
    """Return the marks in an answer, also inside its ids and cursors; not what was sent itself."""
    text = _without(content.decode(), sent)
    inside = [
        _without(decoded, sent) for token in _TOKEN.findall(text) if (decoded := _opened(token))
    ]
    searched = "\n".join([text, *inside]).replace("-", "")
    return {mark for mark in marks if mark.replace("-", "") in searched}


def told(content: bytes, sent: Iterable[str]) -> str:
    """Return what an answer tells, without what was sent and what is new every time."""
    text = _TOKEN.sub("…", _without(content.decode(), sent))
    return _SECONDS.sub("…", _MOMENT.sub("…", text))


def another(text: str) -> str:
    """Return the text with ids and slugs that nobody has."""
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
