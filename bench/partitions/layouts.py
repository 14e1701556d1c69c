"""The layouts that are compared, and the SQL that turns today's tables into them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

import asyncpg

from bench.history import LENGTH

BY_RUN = dict.fromkeys(("run_event", "run_item", "inventory_policy"), "run_id")
BY_TIME = {"run_event": "occurred_at"}


@dataclass(frozen=True, slots=True)
class Layout:
    """A form of the tables. `columns` has the column by which a table is partitioned."""

    name: str
    columns: Mapping[str, str] = field(default_factory=dict)
    days: int = 0
    """The length of a partition."""
    ordered_ids: bool = False
    """Whether the ids of runs begin with the time of their start (UUIDv7)."""
    cascades: bool = True
    """Whether the partitioned tables have foreign keys to the runs."""
    groups: tuple[str, ...] = ("reads", "writes", "purge")
    """What is measured."""
    counts_batches: bool = False
    """Whether a purge counts a batch of runs at once, without the trigger for each run."""


TODAY = Layout("today")
ORDERED = Layout("time-ordered ids", ordered_ids=True)
BY_WEEK = Layout("A: events by week", BY_TIME, 7)
LAYOUTS = (
    TODAY,
    BY_WEEK,
    Layout("A: events by day", BY_TIME, 1),
    Layout("A: events by day, no foreign key", BY_TIME, 1, cascades=False),
    ORDERED,
    Layout("B: by week of the run's id", BY_RUN, 7, ordered_ids=True),
    Layout("B: by day of the run's id", BY_RUN, 1, ordered_ids=True),
    Layout("D: today, counted by batch", counts_batches=True, groups=("purge",)),
    # No key of a run can be unique over its partitions, so no run can start and no other table
    # can refer to one.
    Layout("C: runs by week", {"operation_run": "created_at"}, 7, groups=("reads",)),
)


def bounds(now: datetime, days: int) -> list[datetime]:
    """Return the ends of the partitions of a history that was written at `now`, oldest first."""
    oldest, step = now - LENGTH, timedelta(days=days)
    return [oldest + step * number for number in range(LENGTH // step + 3)]


def bound_sql(column: str, at: datetime) -> str:
    """Return a moment as a value of a table's partitioning column."""
    if column == "run_id":
        return f"'{UUID(int=int(at.timestamp() * 1000) << 80)}'"
    return f"'{at.isoformat()}'"


async def order_ids(database: asyncpg.Connection) -> None:
    """Give all runs ids that begin with the milliseconds of their creation, as UUIDv7 does."""
    await database.execute(
        "CREATE TEMP TABLE renamed AS SELECT tenant_id, id AS old,"
        " (lpad(to_hex((extract(epoch FROM created_at) * 1000)::bigint), 12, '0') || '7'"
        " || substr(replace(id::text, '-', ''), 14))::uuid AS new FROM opsrun.operation_run;"
        " ANALYZE renamed"
    )
    # The foreign keys hold again when all tables are changed.
    await database.execute("SET session_replication_role = replica")
    for table in ("operation_run", "run_event", "run_item", "run_failure", "inventory_policy"):
        column = "id" if table == "operation_run" else "run_id"
        await database.execute(
            f"UPDATE opsrun.{table} AS changed SET {column} = new FROM renamed"
            f" WHERE changed.tenant_id = renamed.tenant_id AND changed.{column} = old"
        )
        await database.execute(f"VACUUM FULL opsrun.{table}")
    await database.execute("RESET session_replication_role; DROP TABLE renamed")


async def apply(database: asyncpg.Connection, layout: Layout, now: datetime) -> None:
    """Copy the tables of the layout into partitions, as they are some months after a migration."""
    for table, column in layout.columns.items():
        await _partition(database, layout, table, column, now)
    await database.execute("VACUUM ANALYZE")


async def _partition(
    database: asyncpg.Connection, layout: Layout, table: str, column: str, now: datetime
) -> None:
    indexes = await _indexes(database, table)
    statements = await references(database, table, to_runs=layout.cascades)
    await database.execute(f"ALTER TABLE opsrun.{table} RENAME TO {table}_old")
    await database.execute(create_parent(table, column, f"{table}_old"))
    partitions = [*_partitions(layout, table, column, now)]
    for name, values in partitions:
        await database.execute(
            f"CREATE TABLE opsrun.{name} PARTITION OF opsrun.{table} {values}; {protect(name)}"
        )
    columns: str = await database.fetchval(
        "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute"
        " WHERE attrelid = $1::text::regclass AND attnum > 0 AND attgenerated = ''",
        f"opsrun.{table}",
    )
    await database.execute(
        f"INSERT INTO opsrun.{table} ({columns}) SELECT {columns} FROM opsrun.{table}_old"
    )
    # The old table's indexes have the names that the statements of these definitions use.
    await database.execute(f"DROP TABLE opsrun.{table}_old CASCADE")
    for name, _ in partitions:
        for index in indexes:
            await database.execute(index.replace("{table}", name))
    for statement in statements:
        await database.execute(statement)


def create_parent(table: str, column: str, old: str) -> str:
    """Return the statements that create the partitioned table like the old one, with its rights.

    It has no index: those of its partitions suffice, and may be unique without the column.
    """
    return f"""
    CREATE TABLE opsrun.{table} (LIKE opsrun.{old} INCLUDING DEFAULTS INCLUDING CONSTRAINTS
        INCLUDING GENERATED) PARTITION BY RANGE ({column});
    DO $$ DECLARE granted record; BEGIN
        FOR granted IN SELECT grantee::regrole AS role, privilege_type AS privilege
            FROM pg_class, aclexplode(relacl)
            WHERE pg_class.oid = 'opsrun.{old}'::regclass AND grantee <> relowner
        LOOP
            EXECUTE format('GRANT %s ON opsrun.{table} TO %s', granted.privilege, granted.role);
        END LOOP;
    END $$;
    {protect(table)}
    """


def protect(table: str) -> str:
    """Return the statements that confine a table to one tenant.

    Partitions need them as well: without them, no process of Opsrun starts.
    """
    in_tenant = "tenant_id = opsrun.current_tenant_id()"
    return f"""
    ALTER TABLE opsrun.{table} ENABLE ROW LEVEL SECURITY;
    ALTER TABLE opsrun.{table} FORCE ROW LEVEL SECURITY;
    CREATE POLICY tenant ON opsrun.{table} USING ({in_tenant}) WITH CHECK ({in_tenant});
    CREATE POLICY maintenance ON opsrun.{table} TO opsrun_maintenance
        USING (true) WITH CHECK (true);
    """


def _partitions(
    layout: Layout, table: str, column: str, now: datetime
) -> Iterator[tuple[str, str]]:
    yield f"{table}_kept", "DEFAULT"
    for number, (start, end) in enumerate(pairwise(bounds(now, layout.days))):
        first, last = bound_sql(column, start), bound_sql(column, end)
        yield f"{table}_{number}", f"FOR VALUES FROM ({first}) TO ({last})"


async def _indexes(database: asyncpg.Connection, table: str) -> list[str]:
    """Return the statements that create the table's indexes on another table."""
    # Without a name, Postgres makes one from the names of the table and the columns.
    rows = await database.fetch(
        r"SELECT regexp_replace(pg_get_indexdef(indexrelid), ' INDEX \S+ ON \S+ ',"
        " ' INDEX ON opsrun.{table} ') FROM pg_index WHERE indrelid = $1::text::regclass",
        f"opsrun.{table}",
    )
    return [row[0] for row in rows]


async def references(
    database: asyncpg.Connection, table: str, *, to_runs: bool = True
) -> list[str]:
    """Return the statements that add the table's foreign keys and triggers."""
    rows = await database.fetch(
        "SELECT format('ALTER TABLE %s ADD %s', $1::text, pg_get_constraintdef(oid))"
        " FROM pg_constraint WHERE conrelid = $1::text::regclass AND contype = 'f'"
        " AND ($2 OR confrelid <> 'opsrun.operation_run'::regclass)"
        " UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger"
        " WHERE tgrelid = $1::text::regclass AND NOT tgisinternal",
        f"opsrun.{table}",
        to_runs,
    )
    return [row[0] for row in rows]
