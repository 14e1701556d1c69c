"""What many quiet tenants cost: the steps of maintenance, and a member's list page."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter, process_time
from uuid import UUID

from sqlalchemy import text

from bench.report import Cell, Table
from bench.stage import Stage
from bench.tenants import LIMIT, WINDOW
from domain.runs.models import Dispatch, RunFilter
from domain.runs.repository import reading
from domain.runs.repository.reading import Keyset
from opsrun.postgres.engines import Login, open_engine
from opsrun.resources import open_resources
from workers.maintenance import Maintenance

SCOPES, PAGES = 2, 100
# With more tenants, steps that visit each of them take minutes, and no less for each.
MOST_VISITED = 10_000
# Each scope of a tenant has a snapshot of last week. The rows are in the order of the tenants, with
# which most indexes begin.
_TENANTS = """
    INSERT INTO opsrun.tenant (id, slug, name, export_folder)
    SELECT gen_random_uuid(), 'many-' || number, 'Tenant ' || number, :folder
    FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS number
"""
_OF_TENANTS = (
    """
    INSERT INTO opsrun.tenant_feed (tenant_id, seq)
    SELECT id, 6 FROM opsrun.tenant WHERE slug LIKE 'many-%' ORDER BY id ON CONFLICT DO NOTHING
    """,
    f"""
    INSERT INTO opsrun.inventory_scope (tenant_id, key)
    SELECT id, 'scope-' || scope FROM opsrun.tenant, generate_series(1, {SCOPES}) AS scope
    WHERE slug LIKE 'many-%' ORDER BY id ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO opsrun.operation_run (tenant_id, id, resource, action, idempotency_key, status,
        total, initiator_id, initiator_name, context, subject, attempt, created_at, not_before,
        last_dispatched_at, started_at, finished_at)
    SELECT tenant_id, md5(tenant_id || key)::uuid, 'inventory', 'sync', sha256(key::bytea),
        'completed', 0, tenant_id, 'Oscar', jsonb_build_object('scopeKey', key), key, 1,
        at, at, at, at, at
    FROM opsrun.inventory_scope, (SELECT now() - interval '7 days' AS at) AS last_week
    WHERE key LIKE 'scope-%' ORDER BY tenant_id ON CONFLICT DO NOTHING
    """,
)
_SOME = f"SELECT id FROM opsrun.tenant WHERE slug LIKE 'many-%' LIMIT {PAGES}"


@dataclass(frozen=True, slots=True)
class _Use:
    """What one turn of a step used."""

    seconds: float
    cpu: float
    """CPU seconds of this process."""
    postgres: float
    """CPU seconds."""


async def measure_tenants(stage: Stage) -> list[Table]:
    """Measure what more and more tenants cost, to which nothing happens.

    It takes one turn of each step of maintenance, and the first pages of some tenants' lists.
    """
    folder = stage.servers.folder / "many"
    for number in range(SCOPES):
        (folder / f"scope-{number + 1}").mkdir(parents=True)
    rows: list[Sequence[Cell]] = []
    before = 0
    for count in stage.scale.tenants:
        some = await _add(stage, folder, before + 1, count)
        before = count
        async with _maintenance(stage) as maintenance, _pages(stage, some) as read_pages:
            visiting = (maintenance.find_scopes, maintenance.collect_documents)
            for step in (maintenance.rescue, maintenance.measure, maintenance.purge, *visiting):
                if step not in visiting or count <= MOST_VISITED:
                    use = await _use(stage, step)
                    rows.append((f"{count:,}", step.__name__, use.seconds, use.cpu, use.postgres))
            await read_pages()
            use = await _use(stage, read_pages)
            rows.append((f"{count:,}", f"{PAGES} pages", use.seconds, use.cpu, use.postgres))
    columns = ("tenants", "step", "s", "CPU s", "Postgres CPU s")
    return [Table("Quiet tenants", columns, rows)]


async def _add(stage: Stage, folder: Path, first: int, last: int) -> Sequence[UUID]:
    """Add tenants, and return some of them."""
    async with open_engine(stage.servers.database) as engine, engine.connect() as connection:
        session = await connection.execution_options(isolation_level="AUTOCOMMIT")
        # Skips foreign keys, which hold by construction, and the counting of single runs.
        await session.execute(text("SET session_replication_role = replica"))
        values = {"folder": str(folder), "first": first, "last": last}
        await session.execute(text(_TENANTS), values)
        for statement in _OF_TENANTS:
            await session.execute(text(statement))
        await session.execute(text("VACUUM ANALYZE"))
        return (await session.execute(text(_SOME))).scalars().all()


@asynccontextmanager
async def _maintenance(stage: Stage) -> AsyncIterator[Maintenance]:
    async def send(_: Sequence[Dispatch]) -> None:
        raise RuntimeError("No run waits.")

    async def empty_queue() -> timedelta:
        return timedelta(0)

    settings = stage.servers.settings(Login.MAINTENANCE)
    async with open_resources(settings, Login.MAINTENANCE) as resources:
        yield Maintenance(
            resources.transactions,
            resources.wakeups,
            send,
            empty_queue,
            lease=settings.lease,
            redispatch_after=timedelta(seconds=settings.redispatch_seconds),
            queue_timeout=timedelta(seconds=settings.queue_timeout_seconds),
            tenant_concurrency=settings.tenant_concurrency,
        )


@asynccontextmanager
async def _pages(
    stage: Stage, tenants: Sequence[UUID]
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    keyset, newest = Keyset(LIMIT), RunFilter(created_from=datetime.now(UTC) - WINDOW)
    async with open_resources(stage.servers.settings(Login.API), Login.API) as resources:

        async def read() -> None:
            for tenant_id in tenants:
                async with resources.transactions.reading(tenant_id) as session:
                    assert len(await reading.page(session, newest, keyset)) == SCOPES

        yield read


async def _use(stage: Stage, step: Callable[[], Awaitable[None]]) -> _Use:
    began, own, postgres = perf_counter(), process_time(), stage.servers.postgres_cpu_seconds
    await step()
    return _Use(
        perf_counter() - began,
        process_time() - own,
        stage.servers.postgres_cpu_seconds - postgres,
    )
