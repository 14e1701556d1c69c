"""The check that row level security protects a database before a process serves it (T3)."""

from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from opsrun.errors import OperatorError

# Only policies for this login count; without one, it would see no row. A policy protects only if
# each side of an OR compares with a value that the transaction sets. Maintenance has a policy that
# shows it all rows.
_PROTECTED_TABLES = text(
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
                    ]) AS condition, regexp_split_to_table(condition, '\mOR\M') AS part
                    WHERE part !~ '(current_(tenant|user)_id\(\)|opsrun.claimed_slugs|^false$)'
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

# By default, a view reads with its owner's rights; a materialized view always does.
_BYPASSES = text(
    """
    SELECT c.relname || CASE c.relkind
        WHEN 'm' THEN ' is a materialized view that this login may use'
        ELSE ' is a view that this login may use with its owner''s rights' END
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


class OpenTableError(OperatorError):
    """Row level security does not protect a tenant's rows, or this login can bypass it."""


async def require_row_level_security(engine: AsyncEngine) -> None:
    """Check that row level security protects all rows of tenants from this login.

    Raises:
        OpenTableError: the message names the missing protection and what to do.
    """
    async with engine.connect() as connection:
        tables = (await connection.execute(_PROTECTED_TABLES)).all()
        bypasses = (await connection.execute(_BYPASSES)).scalars().all()
    faults = [f"{row.table} {fault}" for row in tables if (fault := _fault(row))]
    if faults := [*faults, *bypasses]:
        raise OpenTableError(
            f"Tenants are not isolated in this database: {', '.join(faults)}. Restore what the"
            " migrations created: ALTER TABLE opsrun.… ENABLE ROW LEVEL SECURITY,"
            " FORCE ROW LEVEL SECURITY, and the policies. Create views only"
            " WITH (security_invoker), and revoke CREATE on the schema."
        )


def _fault(row: Row[*tuple[Any, ...]]) -> str | None:
    if not row.enabled:
        return "has row level security disabled"
    if not row.forced:
        return "does not force row level security on its owner"
    if not row.policies:
        return "has no policy for this login"
    if row.open:
        return f"has a policy for this login that does not check the tenant ({row.open})"
    return None
