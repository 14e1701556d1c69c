"""All SQL about trusted documents, which belong to the whole installation."""

from collections.abc import Iterable

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from domain.documents.models import TrustedDocument
from domain.tables import trusted_document
from domain.tenancy.session import InstallationSession


async def find(session: InstallationSession, sha256: str) -> str | None:
    """Return the text of the document with this hash, if it is registered."""
    return await session.scalar_or_none(
        select(trusted_document.c.text).where(trusted_document.c.sha256 == sha256)
    )


async def every(session: InstallationSession) -> list[TrustedDocument]:
    """Return all documents, by name."""
    rows = await session.rows(
        select(trusted_document.c.name, trusted_document.c.text).order_by(
            trusted_document.c.name, trusted_document.c.sha256
        )
    )
    return [TrustedDocument(row.name, row.text) for row in rows]


async def add(session: InstallationSession, documents: Iterable[TrustedDocument]) -> int:
    """Write documents; return how many are new."""
    rows = [{"sha256": d.sha256, "name": d.name, "text": d.text} for d in documents]
    return await session.execute(insert(trusted_document).values(rows).on_conflict_do_nothing())


async def remove(session: InstallationSession, sha256: str) -> bool:
    """Delete the document with this hash; False if there is none."""
    removing = delete(trusted_document).where(trusted_document.c.sha256 == sha256)
    return await session.execute(removing) > 0
