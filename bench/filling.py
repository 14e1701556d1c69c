"""Fill tenants with their histories."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import BigInteger, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bench.history import EVENTS, FAILURES, FEED, ITEMS, RUNS


async def fill(owner: AsyncEngine, sizes: Mapping[UUID, int]) -> None:
    """Give each tenant its number of runs with all that hangs off them; needs a superuser.

    The newest tenth has not seen a VACUUM: so autovacuum leaves a table that grows.
    """
    async with owner.connect() as connection:
        alone = await connection.execution_options(isolation_level="AUTOCOMMIT")
        # It would come in the middle of a measurement.
        await alone.execute(text("ALTER SYSTEM SET autovacuum = off"))
        await alone.execute(text("SELECT pg_reload_conf()"))
        # Spares the look-ups of foreign keys, which hold by construction.
        await alone.execute(text("SET session_replication_role = replica"))
        await _add_runs(alone, sizes, 0.0, 0.9)
        await alone.execute(text("VACUUM opsrun.operation_run"))
        await _add_runs(alone, sizes, 0.9, 1.0)
        for sql in (ITEMS, FAILURES, EVENTS, FEED):
            for tenant_id, runs in sizes.items():
                await _execute(alone, sql, tenant=tenant_id, runs=runs)
        await alone.execute(text("ANALYZE"))


async def _add_runs(
    connection: AsyncConnection, sizes: Mapping[UUID, int], start: float, end: float
) -> None:
    for tenant_id, runs in sizes.items():
        first, last = round(runs * start) + 1, round(runs * end)
        await _execute(connection, RUNS, tenant=tenant_id, runs=runs, first=first, last=last)


async def _execute(connection: AsyncConnection, sql: str, **parameters: UUID | int) -> None:
    named = {name: value for name, value in parameters.items() if f":{name}" in sql}
    await connection.execute(
        text(sql).bindparams(
            *(
                bindparam(name, value, BigInteger if isinstance(value, int) else Uuid)
                for name, value in named.items()
            )
        )
    )
