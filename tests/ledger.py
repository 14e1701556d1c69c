"""What the ledger holds: as a member reads it, and as rows that must agree with each other."""

from typing import Any
from uuid import UUID

from sqlalchemy import func, literal, select, union_all

from domain.drift import repository as drift_repository
from domain.drift.models import Comparison, DriftFinding
from domain.inventory.models import Policy
from domain.inventory.repository.policies import current_page
from domain.notifications import repository as notifications_repository
from domain.notifications.models import NotificationOutcome
from domain.runs.failures import RunFailure
from domain.runs.models import OperationRun, RunEventKind
from domain.runs.repository import reading
from domain.tables import metadata, request_budget, tenant, trusted_document, worker_run_type
from domain.tenancy.roles import TenantRole
from opsrun.postgres.engines import Login
from tests.world import SCOPE, World

# Every table with rows of tenants, and its column of the tenant.
TENANT_COLUMNS = {
    table: table.c.id if table is tenant else table.c.tenant_id
    for table in metadata.sorted_tables
    if table is tenant or "tenant_id" in table.c
}

# Tables of the installation, with rows of no tenant or user.
INSTALLATION_TABLES = {request_budget, trusted_document, worker_run_type}
PROTECTED_TABLES = [table for table in metadata.sorted_tables if table not in INSTALLATION_TABLES]


async def reload(world: World, run_id: UUID) -> OperationRun:
    """Read the run as it is now."""
    return (await world.read(reading.by_ids, await world.access(), [run_id]))[run_id]


async def timeline(world: World, run_id: UUID) -> list[RunEventKind]:
    """Return the kinds of the run's events, the oldest first."""
    events = await world.read(reading.events, await world.access(), [run_id], after=None, limit=100)
    return [event.kind for event in events[run_id]]


async def failures(world: World, run: OperationRun) -> dict[str | None, RunFailure]:
    """Return the run's failures by item; that of the run as a whole is under None."""
    access = await world.access()
    by_run = await world.read(
        reading.failures, access, [run.id], after=None, reasons=frozenset(), limit=1000
    )
    return {failure.item_key: failure for failure in by_run.get(run.id, ())}


async def only_failure(world: World, run: OperationRun) -> RunFailure:
    """Return the run's failure; fail if it has none or several."""
    (failure,) = (await failures(world, run)).values()
    return failure


async def skipped(world: World, run: OperationRun) -> dict[str, str | None]:
    """Return why items were skipped, by item."""
    by_run = await world.read(
        reading.skipped, await world.access(), [run.id], after=None, limit=1000
    )
    return {item.key: item.reason for item in by_run.get(run.id, ())}


async def outcomes(
    world: World, role: TenantRole = TenantRole.OPERATOR
) -> list[NotificationOutcome]:
    """Return the outcomes in a member's notifications, the newest first."""
    page = await world.read(
        notifications_repository.page,
        await world.access(role),
        after=None,
        unread_only=False,
        limit=100,
    )
    return [notification.outcome for notification in page]


async def policies(world: World, scope_key: str = SCOPE) -> list[Policy]:
    """Return the scope's current policies."""
    access = await world.access(TenantRole.READONLY)
    return list(await world.read(current_page, access, scope_key, after=None, limit=1000))


async def findings(world: World, run: OperationRun) -> dict[str, DriftFinding]:
    """Return the findings of a drift run's comparison by policy id."""
    access = await world.access(TenantRole.READONLY)
    comparison = Comparison.of_context(run.context)
    pages = await world.read(
        drift_repository.pages, access, [comparison], kinds=frozenset(), after=None, limit=1000
    )
    page = pages.get(comparison, ())
    by_policy = {finding.policy_id: finding for finding in page}
    assert len(by_policy) == len(page), "a policy has two findings"
    return by_policy


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

    Runs that a test inserted have no events and are left out.
    """
    return await world.rows(_FAULTY_RUNS) + await world.rows(_FAULTY_FEED)


async def count_rows(world: World) -> dict[str, int]:
    """Return the number of the tenant's rows by table."""
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


async def tables_with(world: World, secret: str) -> set[str]:
    """Return the names of the tables with `secret` in a row of any tenant."""
    return {
        table.name
        for table in metadata.sorted_tables
        if await world.rows(
            f"SELECT 1 FROM {table.fullname} AS t WHERE strpos(t::text, :secret) > 0 LIMIT 1",
            secret=secret,
        )
    }
