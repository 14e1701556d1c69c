"""The check that row level security stands in the database that is about to be served (T3)."""

from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

# A policy counts only if it is for this login: without one it would see nothing at all. It is a
# wall only if it asks for what the transaction names, on either side of an OR too; but maintenance,
# by one of its own, sees all.
_WALLS = text(
    r"""
    SELECT c.relname AS table, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced,
        mine.policies, mine.open
    FROM pg_class c CROSS JOIN LATERAL (
        SELECT count(*) AS policies,
            string_agg(p.polname, ', ' ORDER BY p.polname) FILTER (
                WHERE p.polpermissive AND role <> CAST('opsrun_maintenance' AS regrole)
                AND EXISTS (
                    SELECT FROM unnest(ARRAY[
                        pg_get_expr(p.polqual, c.oid), pg_get_expr(p.polwithcheck, c.oid)
                    ]) AS condition, regexp_split_to_table(condition, '\mOR\M') AS asked
                    WHERE asked !~ '(current_(tenant|user)_id\(\)|opsrun.claimed_slugs|^false$)'
                )
            ) AS open
        FROM pg_policy p, unnest(p.polroles) AS role
        WHERE p.polrelid = c.oid AND (role = 0 OR pg_has_role(session_user, role, 'USAGE'))
    ) AS mine
    WHERE c.relnamespace = CAST('opsrun' AS regnamespace) AND c.relkind IN ('r', 'p')
        AND (c.relname IN ('tenant', 'app_user') OR EXISTS (
            SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id'
        ))
    ORDER BY c.relname
    """
)

# A view reads with its owner's rights unless told otherwise, and a materialized one has done so.
_WAYS_AROUND = text(
    """
    SELECT c.relname || CASE c.relkind
        WHEN 'm' THEN ' is a materialized view that this login may use'
        ELSE ' is a view that this login may use with the rights of its owner' END
    FROM pg_class c
    WHERE c.relnamespace = CAST('opsrun' AS regnamespace)
        AND (c.relkind = 'm' OR c.relkind = 'v' AND NOT EXISTS (
            SELECT FROM pg_options_to_table(c.reloptions) AS option
            WHERE CASE option_name WHEN 'security_invoker' THEN CAST(option_value AS boolean) END
        ))
        AND (has_any_column_privilege(session_user, c.oid, 'SELECT, INSERT, UPDATE')
            OR has_table_privilege(session_user, c.oid, 'DELETE'))
    UNION ALL
    SELECT 'this login may create in the schema opsrun'
    WHERE has_schema_privilege(session_user, 'opsrun', 'CREATE')
    ORDER BY 1
    """
)


class OpenTableError(Exception):
    """Rows of tenants are not behind row level security, or this login has a way around it."""


async def require_row_level_security(engine: AsyncEngine) -> None:
    """Refuse to go on unless row level security stands before all rows of tenants, on all ways.

    Raises:
        OpenTableError: with what is missing and what to do.
    """
    async with engine.connect() as connection:
        tables = (await connection.execute(_WALLS)).all()
        ways_around = (await connection.execute(_WAYS_AROUND)).scalars().all()
    faults = [f"{row.table} {fault}" for row in tables if (fault := _fault(row))]
    if faults := [*faults, *ways_around]:
        raise OpenTableError(
            f"Tenants are not kept apart in this database: {', '.join(faults)}. Put back what the"
            " migrations made: ALTER TABLE opsrun.… ENABLE ROW LEVEL SECURITY,"
            " FORCE ROW LEVEL SECURITY, and its policies; views only WITH (security_invoker),"
            " and no right to create."
        )


def _fault(row: Row[*tuple[Any, ...]]) -> str | None:
    if not row.enabled:
        return "has row level security disabled"
    if not row.forced:
        return "does not force row level security on its owner"
    if not row.policies:
        return "has no policy for this login"
    if row.open:
        return f"has a policy for this login that asks for no tenant ({row.open})"
    return None
