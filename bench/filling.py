"""Fill tenants with their histories."""

from collections.abc import Mapping
from importlib import import_module
from uuid import UUID

from sqlalchemy import BigInteger, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bench.history import EVENTS, FAILURES, FEED, ITEMS, RUNS

_COUNT_RUNS: str = import_module("migrations.versions.0008_run_counts").COUNT_EXISTING


async def fill(superuser: AsyncEngine, sizes: Mapping[UUID, int]) -> None:
    """Give each tenant that many runs, with their items, failures and events.

    The newest tenth is added after a VACUUM, as autovacuum leaves a growing table.
    """
    async with superuser.connect() as session:
        connection = await session.execution_options(isolation_level="AUTOCOMMIT")
        # Autovacuum would disturb the measurements.
        await connection.execute(text("ALTER SYSTEM SET autovacuum = off"))
        await connection.execute(text("SELECT pg_reload_conf()"))
        # Skips foreign keys, which hold by construction, and the counting of single runs.
        await connection.execute(text("SET session_replication_role = replica"))
        await _add_runs(connection, sizes, 0.0, 0.9)
        await connection.execute(text("VACUUM opsrun.operation_run"))
        await _add_runs(connection, sizes, 0.9, 1.0)
        for sql in (ITEMS, FAILURES, EVENTS, FEED):
            for tenant_id, runs in sizes.items():
                await _execute(connection, sql, tenant=tenant_id, runs=runs)
        await connection.execute(text(_COUNT_RUNS))
        await connection.execute(text("ANALYZE"))


async def _add_runs(
    connection: AsyncConnection, sizes: Mapping[UUID, int], start: float, end: float
) -> None:
    for tenant_id, runs in sizes.items():
        first, last = round(runs * start) + 1, round(runs * end)
        await _execute(connection, RUNS, tenant=tenant_id, runs=runs, first=first, last=last)


async def _execute(connection: AsyncConnection, sql: str, **parameters: UUID | int) -> None:
    binds = [
        bindparam(name, value, BigInteger if isinstance(value, int) else Uuid)
        for name, value in parameters.items()
        if f":{name}" in sql
    ]
    await connection.execute(text(sql).bindparams(*binds))
