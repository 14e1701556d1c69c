"""How many bytes the tables of runs and their indexes take."""

import asyncpg

from bench.report import Table

_SIZES = """
WITH relation AS (
    SELECT oid AS "table", oid AS part, relname || ': rows' AS name FROM pg_class
    WHERE relnamespace = 'opsrun'::regnamespace AND relname = ANY($1)
    UNION ALL
    SELECT indrelid, indexrelid, pg_class.relname FROM pg_index
    JOIN pg_class ON pg_class.oid = indexrelid
)
SELECT name, (pg_relation_size(part) + CASE WHEN part = "table" THEN
        coalesce(pg_relation_size(nullif(reltoastrelid, 0)), 0) ELSE 0 END) / reltuples,
    reltuples
FROM relation JOIN pg_class ON pg_class.oid = "table"
WHERE relnamespace = 'opsrun'::regnamespace AND relname = ANY($1) AND reltuples > 0
ORDER BY relname, part <> "table", name
"""
_TABLES = (
    *("operation_run", "run_count", "run_event", "run_item", "run_failure"),
    *("inventory_policy", "policy_document"),
)


async def measure_sizes(database: asyncpg.Connection) -> list[Table]:
    """Return the bytes of each table and index, for each row of the table."""
    rows = [tuple(row) for row in await database.fetch(_SIZES, list(_TABLES))]
    return [Table("Sizes", ["", "bytes a row", "rows"], rows)]
