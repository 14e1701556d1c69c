"""What it costs to partition a table that has rows: attached as one partition, or copied."""

from collections.abc import Sequence
from datetime import timedelta

import asyncpg

from bench.partitions.layouts import (
    BY_RUN,
    BY_TIME,
    BY_WEEK,
    apply,
    bound_sql,
    create_parent,
    protect,
    references,
)
from bench.partitions.sides import Original, Used, connected
from bench.report import Cell, Table

_LENGTH = timedelta(days=7)
# The steps as an operator would take them. Those that attach a table lock it against all others.
_ATTACH_OLD = """
BEGIN;
SET LOCAL lock_timeout = '2s';
ALTER TABLE opsrun.{table} RENAME TO {table}_old;
{parent}
ALTER TABLE opsrun.{table} DROP CONSTRAINT IF EXISTS outside;
{references}
ALTER TABLE opsrun.{table} ATTACH PARTITION opsrun.{table}_old {values};
COMMIT
"""
_CREATE = """
CREATE TABLE opsrun.{table}_next (LIKE opsrun.{table}_old INCLUDING DEFAULTS INCLUDING CONSTRAINTS
    INCLUDING INDEXES);
ALTER TABLE opsrun.{table}_next DROP CONSTRAINT IF EXISTS outside;
{protect}
"""
_CHECK = "ALTER TABLE opsrun.{old} ADD CONSTRAINT outside CHECK ({condition}) NOT VALID"
_SCAN = "ALTER TABLE opsrun.{old} VALIDATE CONSTRAINT outside"
_ATTACH_NEXT = """
ALTER TABLE opsrun.{table} ATTACH PARTITION opsrun.{table}_next
    FOR VALUES FROM ({first}) TO ({last})
"""
# Random ids may lie in the range of the new partition.
_MOVE_AND_ATTACH = f"""
BEGIN;
WITH moved AS (DELETE FROM opsrun.{{table}}_old WHERE NOT ({{condition}}) RETURNING *)
    INSERT INTO opsrun.{{table}}_next SELECT * FROM moved;
{_SCAN};
{_ATTACH_NEXT};
COMMIT
"""
_OLD_BY_TIME = {
    "check": _CHECK,
    "scan": _SCAN,
    "attach the old table": _ATTACH_OLD,
    "create the next partition": _CREATE,
    "attach the next partition": _ATTACH_NEXT,
}
_OLD_AS_DEFAULT = {
    "attach the old table": _ATTACH_OLD,
    "create the next partition": _CREATE,
    "check": _CHECK,
    "move, scan, attach the next partition": _MOVE_AND_ATTACH,
}


async def measure_migration(original: Original) -> list[Table]:
    """Migrate copies of the database; return what each step uses."""
    rows: list[Sequence[Cell]] = []
    for name, columns in (("A", BY_TIME), ("B", BY_RUN)):
        async with original.copied(f"attached_{name}") as servers, connected(servers) as database:
            for table, column in columns.items():
                for step, sql in (await steps(original, database, table, column)).items():
                    before = await original.used()
                    await database.execute(sql)
                    rows.append(_row(f"{name}: {table}: {step}", await original.used() - before))
    async with original.copied("copied") as servers, connected(servers) as database:
        before = await original.used()
        await apply(database, BY_WEEK, original.filled_at)
        rows.append(_row(f"{BY_WEEK.name}: copy all", await original.used() - before))
    return [Table("Migration", ["", "seconds", "CPU ms", "WAL MB"], rows)]


def _row(name: str, used: Used) -> Sequence[Cell]:
    return name, used.seconds, used.cpu_ms, used.wal_bytes / 1e6


async def steps(
    original: Original, database: asyncpg.Connection, table: str, column: str
) -> dict[str, str]:
    """Return the SQL that makes the table its first partition, and adds that of the next week."""
    start = original.filled_at + timedelta(days=1)
    first, last = bound_sql(column, start), bound_sql(column, start + _LENGTH)
    values = {
        "table": table,
        "first": first,
        "last": last,
        "parent": create_parent(table, column, f"{table}_old"),
        "references": "".join(f"{sql};" for sql in await references(database, table)),
        "protect": protect(f"{table}_next"),
    }
    if column == "run_id":
        values |= {"condition": f"run_id < {first} OR run_id >= {last}", "values": "DEFAULT"}
        return {
            name: sql.format(**values, old=f"{table}_old") for name, sql in _OLD_AS_DEFAULT.items()
        }
    values |= {
        "condition": f"{column} < {first}",
        "values": f"FOR VALUES FROM (MINVALUE) TO ({first})",
    }
    return {name: sql.format(**values, old=table) for name, sql in _OLD_BY_TIME.items()}
