"""What lies in the tables, whoever put it there, and whether it contradicts itself."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import func, insert, literal, select, union_all

from domain.lifecycle import ACTIVE_STATUSES, RunStatus
from domain.tables import metadata, operation_run, tenant, trusted_document
from opsrun.postgres.engines import Login
from tests.world import World

# Every table that holds rows of one tenant, with the column that names it.
TENANT_COLUMNS = {
    table: table.c.id if table is tenant else table.c.tenant_id
    for table in metadata.sorted_tables
    if table is tenant or "tenant_id" in table.c
}

# What belongs to the whole installation and not to its tenants or people.
OF_INSTALLATION = {trusted_document}
WALLED = [table for table in metadata.sorted_tables if table not in OF_INSTALLATION]

_FAULTY_RUNS = """
    SELECT r.id, r.status, r.version, e.events, e.finished, n.terminal, i.*, f.failures
    FROM opsrun.operation_run r
    CROSS JOIN LATERAL (
        SELECT count(*) AS events, max(version) AS newest,
            count(*) FILTER (WHERE kind = 'RUN_FINISHED') AS finished,
            bool_or(steps_back) AS steps_back
        FROM (
            SELECT version, kind,
                succeeded < lag(succeeded) OVER w OR failed < lag(failed) OVER w
                    OR skipped < lag(skipped) OVER w OR seq < lag(seq) OVER w AS steps_back
            FROM opsrun.run_event WHERE tenant_id = r.tenant_id AND run_id = r.id
            WINDOW w AS (ORDER BY version)
        ) AS events
    ) e
    JOIN opsrun.run_event last
        ON last.tenant_id = r.tenant_id AND last.run_id = r.id AND last.version = e.newest
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE outcome = 'succeeded') AS succeeded,
            count(*) FILTER (WHERE outcome = 'failed') AS failed,
            count(*) FILTER (WHERE outcome = 'skipped') AS skipped
        FROM opsrun.run_item WHERE tenant_id = r.tenant_id AND run_id = r.id
    ) i
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE item_key <> '') AS failures
        FROM opsrun.run_failure WHERE tenant_id = r.tenant_id AND run_id = r.id
    ) f
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE outcome <> 'QUEUED') AS terminal
        FROM opsrun.notification WHERE tenant_id = r.tenant_id AND run_id = r.id
    ) n
    WHERE r.tenant_id = :tenant_id AND (
        r.version <> e.events OR r.version <> e.newest OR e.steps_back
        OR (r.succeeded, r.failed, r.skipped) <> (i.succeeded, i.failed, i.skipped)
        OR r.failed <> f.failures
        OR (r.finished_at IS NOT NULL)::int <> e.finished OR e.finished <> n.terminal
        OR (r.status, r.status_bucket, r.total, r.succeeded, r.failed, r.skipped, r.attempt)
            IS DISTINCT FROM (last.status, last.status_bucket, last.total, last.succeeded,
                last.failed, last.skipped, last.attempt)
        OR (r.started_at, r.finished_at) IS DISTINCT FROM (last.started_at, last.finished_at)
    )
"""

_FAULTY_FEED = """
    SELECT f.seq, count(e.seq) AS events FROM opsrun.tenant_feed f
    LEFT JOIN opsrun.run_event e ON e.tenant_id = f.tenant_id
    WHERE f.tenant_id = :tenant_id GROUP BY f.seq, f.min_seq
    HAVING f.min_seq = 0 AND f.seq <> count(e.seq)
"""


async def ledger_faults(world: World) -> list[Any]:
    """Return the tenant's runs whose counts, items, failures, events and notifications disagree.

    Runs that were put in behind the ledger's back have no events and are left out.
    """
    return await world.rows(_FAULTY_RUNS) + await world.rows(_FAULTY_FEED)


async def count_rows(world: World) -> dict[str, int]:
    """Return how many rows the tenant has, by table."""
    counts = union_all(
        *(
            select(literal(table.name).label("name"), func.count().label("rows"))
            .select_from(table)
            .where(column == world.tenant_id)
            for table, column in TENANT_COLUMNS.items()
        )
    )
    async with world.resources[Login.MAINTENANCE].transactions.installation() as session:
        return {row.name: row.rows for row in await session.rows(counts)}


async def tables_that_tell(world: World, secret: str) -> set[str]:
    """Return the names of all tables, of whatever tenant, with `secret` in some row."""
    return {
        table.name
        for table in metadata.sorted_tables
        if await world.rows(
            f"SELECT 1 FROM {table.fullname} AS t WHERE strpos(t::text, :secret) > 0 LIMIT 1",
            secret=secret,
        )
    }


async def insert_runs(world: World, runs: Sequence[Mapping[str, Any]]) -> list[UUID]:
    """Put runs in as they are, in one statement; return their ids in order."""
    now = datetime.now(UTC)
    rows = []
    for run in runs:
        status = run.get("status", RunStatus.PENDING)
        rows.append(
            {
                "tenant_id": world.tenant_id,
                "id": uuid4(),
                "resource": "inventory",
                "action": "sync",
                "idempotency_key": uuid4().bytes,
                "status": status,
                "total": None,
                "succeeded": 0,
                "failed": 0,
                "skipped": 0,
                "initiator_id": UUID(int=7),
                "initiator_name": "Somebody",
                "context": {},
                "subject": "prod",
                "attempt": 0 if status == RunStatus.PENDING else 1,
                "max_attempts": 3,
                "lease_token": uuid4() if status == RunStatus.RUNNING else None,
                "lease_expires_at": now if status == RunStatus.RUNNING else None,
                "not_before": now,
                "created_at": now,
                "finished_at": None if status in ACTIVE_STATUSES else now,
                **run,
            }
        )
    async with world.resources[Login.MAINTENANCE].transactions.installation() as session:
        await session.execute(insert(operation_run).values(rows))
    return [row["id"] for row in rows]
