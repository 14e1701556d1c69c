"""The check that row level security stands in the database that is about to be served (T3)."""

from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

# A policy counts only if it is for this login: without one it would see nothing at all.
_WALLS = text(
    "SELECT c.relname AS table, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced,"
    " EXISTS (SELECT FROM pg_policy p, unnest(p.polroles) role WHERE p.polrelid = c.oid"
    " AND (role = 0 OR pg_has_role(session_user, role, 'USAGE'))) AS has_policy"
    " FROM pg_class c WHERE c.relnamespace = CAST('opsrun' AS regnamespace)"
    " AND c.relkind IN ('r', 'p') AND (c.relname IN ('tenant', 'app_user') OR EXISTS"
    " (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id'))"
    " ORDER BY c.relname"
)


class OpenTableError(Exception):
    """A table with rows of tenants lacks row level security, or a policy for this login."""


async def require_walls(engine: AsyncEngine) -> None:
    """Refuse to go on unless every table with rows of tenants is behind row level security.

    Raises:
        OpenTableError: with what is missing and what to do.
    """
    async with engine.connect() as connection:
        tables = (await connection.execute(_WALLS)).all()
    if faults := [f"{row.table} {fault}" for row in tables if (fault := _fault(row))]:
        raise OpenTableError(
            f"Tenants are not kept apart in this database: {', '.join(faults)}. Put back what the"
            " migrations made: ALTER TABLE opsrun.… ENABLE ROW LEVEL SECURITY,"
            " FORCE ROW LEVEL SECURITY, and its policies."
        )


def _fault(row: Row[*tuple[Any, ...]]) -> str | None:
    if not row.enabled:
        return "has row level security disabled"
    if not row.forced:
        return "does not force row level security on its owner"
    if not row.has_policy:
        return "has no policy for this login"
    return None
