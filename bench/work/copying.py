"""Copy the rows that a sync stored into tables without triggers and foreign keys: its limit."""

from pathlib import Path
from time import perf_counter
from uuid import UUID

import asyncpg

from bench.stage import Stage
from bench.work.executions import Took

_TABLES = ("policy_document", "inventory_policy", "run_item")


class Copies:
    """Copies of the tables, with their indexes, and the rows in files in Postgres' binary form."""

    def __init__(self, stage: Stage, database: asyncpg.Connection) -> None:
        self._stage = stage
        self._database = database
        self._folder = stage.servers.folder / "copies"

    async def open(self) -> None:
        """Create the tables."""
        self._folder.mkdir()
        await self._database.execute("CREATE SCHEMA IF NOT EXISTS bench")
        for table in _TABLES:
            create = f"CREATE TABLE bench.{table} (LIKE opsrun.{table} INCLUDING ALL)"
            await self._database.execute(create)

    async def read(self, tenant: UUID) -> None:
        """Write the tenant's rows into the files."""
        for table in _TABLES:
            await self._database.copy_from_query(
                f"SELECT * FROM opsrun.{table} WHERE tenant_id = $1",
                tenant,
                output=self._file(table),
                format="binary",
            )

    async def write(self) -> Took:
        """Copy the files into the empty tables, in one transaction."""
        await self._database.execute(f"TRUNCATE {', '.join(f'bench.{name}' for name in _TABLES)}")
        began, used = perf_counter(), self._stage.servers.postgres_cpu_seconds
        async with self._database.transaction():
            for table in _TABLES:
                await self._database.copy_to_table(
                    table, schema_name="bench", source=self._file(table), format="binary"
                )
        seconds = perf_counter() - began
        return Took(seconds, 0.0, self._stage.servers.postgres_cpu_seconds - used)

    def _file(self, table: str) -> Path:
        return self._folder / table
