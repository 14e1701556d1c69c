"""All SQL about trusted documents, which belong to the whole installation."""

from collections.abc import Iterable

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert

from domain.documents.models import TrustedDocument
from domain.tables import trusted_document
from domain.tenancy.session import InstallationSession
from domain.tenancy.statements import Statement, each

_document = trusted_document.c
_has_hash = _document.sha256 == bindparam("sha256")
_FIND = Statement(select(_document.text).where(_has_hash))
_EVERY = Statement(
    select(_document.name, _document.text).order_by(_document.name, _document.sha256)
)
_new = each(_document.sha256, _document.name, _document.text)
_ADD = Statement(
    insert(trusted_document).from_select(_new.c.keys(), select(_new)).on_conflict_do_nothing()
)
_REMOVE = Statement(delete(trusted_document).where(_has_hash))


async def find(session: InstallationSession, sha256: str) -> str | None:
    """Return the text of the document with this hash, if it is registered."""
    return await session.scalar_or_none(_FIND, {"sha256": sha256})


async def every(session: InstallationSession) -> list[TrustedDocument]:
    """Return all documents, by name."""
    return [TrustedDocument(row.name, row.text) for row in await session.rows(_EVERY)]


async def add(session: InstallationSession, documents: Iterable[TrustedDocument]) -> int:
    """Write documents; return how many are new."""
    rows = [*documents]
    values = {name: [getattr(row, name) for row in rows] for name in ("sha256", "name", "text")}
    return await session.execute(_ADD, values)


async def remove(session: InstallationSession, sha256: str) -> bool:
    """Delete the document with this hash; False if there is none."""
    return await session.execute(_REMOVE, {"sha256": sha256}) > 0
