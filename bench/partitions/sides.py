"""One database for each layout, with the same history."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from time import perf_counter

import asyncpg
from sqlalchemy import make_url

from bench.partitions.layouts import Layout, apply, order_ids
from bench.partitions.snapshots import add_snapshots
from bench.servers import FilledServers, filled_servers
from bench.tenants import operator_access
from domain.runs.execution import RunClaimer
from domain.runs.starting import RunStarter
from domain.tenancy.models import TenantAccess
from domain.tenancy.transactions import Transactions
from opsrun.postgres.engines import Login, open_engine
from opsrun.resources import Resources, open_resources, use_cases
from tests.world import MAX_ACTIVE_RUNS

LARGE, SMALL = "large", "small"
# The small tenant keeps its runs longer, so that a partition has rows that must survive.
_SMALL_SHARE, _LEAST_RUNS = 10, 500


@dataclass(frozen=True, slots=True)
class Used:
    """What Postgres has used, or what it used for one piece of work."""

    seconds: float
    cpu_ms: float
    wal_bytes: float

    def __sub__(self, other: "Used") -> "Used":
        return Used(
            self.seconds - other.seconds,
            self.cpu_ms - other.cpu_ms,
            self.wal_bytes - other.wal_bytes,
        )

    def __truediv__(self, units: int) -> "Used":
        return Used(self.seconds / units, self.cpu_ms / units, self.wal_bytes / units)


@dataclass(frozen=True, slots=True)
class Original:
    """The filled database that each side is a copy of."""

    servers: FilledServers
    database: asyncpg.Connection
    """A superuser's connection to another database of the server."""
    rows: int
    filled_at: datetime

    @asynccontextmanager
    async def copied(self, name: str) -> AsyncIterator[FilledServers]:
        """Copy the database until the context closes."""
        original = self.servers.database.database
        # The pools that filled the database are idle, but their connections prevent a copy.
        await self.database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", original
        )
        await self.database.execute(
            f'CREATE DATABASE "{name}" TEMPLATE "{original}" STRATEGY FILE_COPY'
        )
        try:
            yield replace(
                self.servers,
                database=self.servers.database.set(database=name),
                urls={
                    login: make_url(url).set(database=name).render_as_string(hide_password=False)
                    for login, url in self.servers.urls.items()
                },
            )
        finally:
            await self.database.execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    async def used(self) -> Used:
        """Return what Postgres has used so far. No other work may run on the server."""
        lsn = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')"
        wal = float(await self.database.fetchval(lsn))
        return Used(perf_counter(), 1000 * self.servers.postgres_cpu_seconds, wal)


@dataclass(frozen=True, slots=True)
class Side:
    """A database with a layout, and the use cases of the processes on it."""

    layout: Layout
    original: Original
    database: asyncpg.Connection
    api: Resources
    access: TenantAccess
    """That of the large tenant's operator."""
    starter: RunStarter
    claimer: RunClaimer
    maintenance: Transactions


@asynccontextmanager
async def open_original(rows: int, *, durable: bool = True) -> AsyncIterator[Original]:
    """Fill a database with this many runs, items and policies."""
    sizes = {LARGE: rows, SMALL: max(rows // _SMALL_SHARE, _LEAST_RUNS)}
    async with filled_servers(sizes, durable=durable) as servers:
        async with connected(servers) as database:
            filled_at: datetime = await database.fetchval(
                "SELECT max(created_at) FROM opsrun.operation_run"
            )
            await add_snapshots(database, LARGE, rows)
            await database.execute("ANALYZE")
        other = servers.database.set(database="postgres")
        async with connected(replace(servers, database=other)) as administration:
            yield Original(servers, administration, rows, filled_at)


@asynccontextmanager
async def connected(servers: FilledServers) -> AsyncIterator[asyncpg.Connection]:
    """Connect to the database as its superuser."""
    connection = await asyncpg.connect(servers.superuser_url)
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def open_side(original: Original, layout: Layout, number: int) -> AsyncIterator[Side]:
    """Copy the database, give the copy this layout, and open the processes' use cases on it."""
    async with original.copied(f"side_{number}") as servers, connected(servers) as database:
        if layout.ordered_ids:
            await order_ids(database)
        await apply(database, layout, original.filled_at)
        async with (
            open_resources(servers.settings(Login.API), Login.API) as api,
            open_resources(servers.settings(Login.WORKER), Login.WORKER) as worker,
            open_engine(servers.urls[Login.MAINTENANCE]) as maintenance,
        ):
            cases = use_cases(api, max_active_runs=MAX_ACTIVE_RUNS)
            yield Side(
                layout,
                original,
                database,
                api,
                await operator_access(cases, LARGE),
                RunStarter(api.transactions, api.wakeups, max_active_runs=MAX_ACTIVE_RUNS),
                RunClaimer(worker.transactions, worker.wakeups, owner="bench"),
                Transactions(maintenance),
            )
