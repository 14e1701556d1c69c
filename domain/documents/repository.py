"""Reads and writes of `trusted_document`, a table of the whole installation."""

from collections.abc import Iterable

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.documents.models import TrustedDocument
from domain.tables import trusted_document


async def find(connection: AsyncConnection, sha256: str) -> str | None:
    """Return the text of the document with this hash."""
    found: str | None = await connection.scalar(
        select(trusted_document.c.text).where(trusted_document.c.sha256 == sha256)
    )
    return found


async def every(connection: AsyncConnection) -> list[TrustedDocument]:
    """Return all documents, by name."""
    rows = await connection.execute(
        select(trusted_document.c.name, trusted_document.c.text).order_by(
            trusted_document.c.name, trusted_document.c.sha256
        )
    )
    return [TrustedDocument(row.name, row.text) for row in rows]


async def add(connection: AsyncConnection, documents: Iterable[TrustedDocument]) -> int:
    """Write documents, and return how many were not there before."""
    added = await connection.execute(
        insert(trusted_document).on_conflict_do_nothing().returning(trusted_document.c.sha256),
        [{"sha256": d.sha256, "name": d.name, "text": d.text} for d in documents],
    )
    return len(added.all())


async def remove(connection: AsyncConnection, sha256: str) -> bool:
    """Delete the document with this hash; False when there is none."""
    removed = await connection.execute(
        delete(trusted_document).where(trusted_document.c.sha256 == sha256)
    )
    return bool(removed.rowcount)
