"""Copy the rows that a sync stored into tables without triggers and foreign keys: its limit."""

from time import perf_counter, process_time
from typing import Any
from uuid import UUID

import asyncpg

from bench.servers import FilledServers
from bench.work.executions import Took

_TABLES = ("policy_document", "inventory_policy", "run_item")
Rows = dict[str, list[tuple[Any, ...]]]


async def create_copies(database: asyncpg.Connection) -> None:
    """Create a copy of each table, with its indexes."""
    await database.execute("CREATE SCHEMA IF NOT EXISTS bench")
    for table in _TABLES:
        await database.execute(f"CREATE TABLE bench.{table} (LIKE opsrun.{table} INCLUDING ALL)")


async def stored_rows(database: asyncpg.Connection, tenant: UUID) -> Rows:
    """Return the tenant's rows of each table."""
    query = "SELECT * FROM opsrun.{} WHERE tenant_id = $1"
    return {
        table: [tuple(row) for row in await database.fetch(query.format(table), tenant)]
        for table in _TABLES
    }


async def copy_rows(servers: FilledServers, database: asyncpg.Connection, rows: Rows) -> Took:
    """Copy the rows into the empty copies, in one transaction."""
    await database.execute(f"TRUNCATE {', '.join(f'bench.{table}' for table in _TABLES)}")
    began, used, postgres_used = perf_counter(), process_time(), servers.postgres_cpu_seconds
    async with database.transaction():
        for table, records in rows.items():
            await database.copy_records_to_table(table, schema_name="bench", records=records)
    return Took(
        perf_counter() - began, process_time() - used, servers.postgres_cpu_seconds - postgres_used
    )
