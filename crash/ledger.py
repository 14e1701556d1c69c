"""The ledger's rows, read as the superuser, who bypasses row level security."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg

from crash.folds import State, state_of

RUNS = """
    SELECT tenant_id, id, run_type, idempotency_key, status, version, total, succeeded, failed,
      skipped, attempt, initiator_id, initiator_name, status_bucket, subject, created_at,
      coalesce((context -> 'breaks')::bool, false) AS breaks FROM opsrun.operation_run"""
EVENTS = """
    SELECT tenant_id, seq, run_id, version, kind, status, status_bucket, attempt, succeeded,
      failed, skipped, occurred_at FROM opsrun.run_event ORDER BY tenant_id, seq"""
ITEMS = "SELECT tenant_id, run_id, item_key, outcome, attempt, recorded_at FROM opsrun.run_item"
FAILURES = """
    SELECT tenant_id, run_id, item_key, reason, message, attempt, occurred_at
    FROM opsrun.run_failure"""
NOTIFICATIONS = """
    SELECT tenant_id, run_id, recipient_id, outcome, seq FROM opsrun.notification
    ORDER BY tenant_id, seq"""
RUN_COUNTS = """
    SELECT tenant_id, grouped_by, hours, begins_at, run_type, status_bucket, initiator_id,
      initiator_name, runs FROM opsrun.run_count"""
FEEDS = "SELECT tenant_id, seq, min_seq FROM opsrun.tenant_feed"
_TABLES = "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'opsrun'"
DOUBLE_ACTIVES = """
    SELECT tenant_id, run_type, count(*) FROM opsrun.operation_run
    WHERE status IN ('pending', 'running')
    GROUP BY tenant_id, run_type, idempotency_key HAVING count(*) > 1"""


class Ledger:
    """A superuser's connection to the database."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def rows(self, query: str) -> Sequence[Any]:
        """Return the rows of a query, such as `RUNS`."""
        rows: Sequence[Any] = await self._connection.fetch(query)
        return rows

    async def active(self) -> int:
        """Count the runs that have not ended."""
        return await self._count("operation_run WHERE finished_at IS NULL")

    async def dispatched(self, tenant_id: UUID) -> int:
        """Count the tenant's dispatched runs that have not ended."""
        return await self._count(
            "operation_run WHERE finished_at IS NULL AND last_dispatched_at IS NOT NULL"
            f" AND tenant_id = '{tenant_id}'"
        )

    async def outbox(self) -> int:
        """Count the outbox entries."""
        return await self._count("outbox")

    async def attempt(self, run_id: UUID) -> tuple[str, int]:
        """Return a run's status and attempt."""
        row = await self._connection.fetchrow(
            "SELECT status, attempt FROM opsrun.operation_run WHERE id = $1", run_id
        )
        return row["status"], row["attempt"]

    async def states(self, tenant_id: UUID) -> dict[UUID, State]:
        """Return the state that a subscriber of the tenant should have."""
        return {
            run["id"]: state_of(run)
            for run in await self.rows(RUNS)
            if run["tenant_id"] == tenant_id
        }

    async def notifications_of(self, tenant_id: UUID, user_id: UUID) -> list[tuple[UUID, str]]:
        """Return the notifications that a user should have received, in order."""
        return [
            (row["run_id"], row["outcome"])
            for row in await self.rows(NOTIFICATIONS)
            if (row["tenant_id"], row["recipient_id"]) == (tenant_id, user_id)
        ]

    async def rows_with(self, secret: str) -> list[str]:
        """Return the tables in which a row contains the text."""
        return [
            table
            for (table,) in await self.rows(_TABLES)
            if await self._connection.fetchval(
                f"SELECT EXISTS (SELECT FROM {table} t WHERE strpos(t::text, $1) > 0)",
                secret,
            )
        ]

    async def execute(self, statement: str) -> None:
        """Execute a statement that no login of the product may."""
        await self._connection.execute(statement)

    async def _count(self, what: str) -> int:
        count: int = await self._connection.fetchval(f"SELECT count(*) FROM opsrun.{what}")
        return count


@asynccontextmanager
async def open_ledger(url: str) -> AsyncIterator[Ledger]:
    """Connect as the superuser."""
    connection = await asyncpg.connect(url, timeout=5)
    try:
        yield Ledger(connection)
    finally:
        connection.terminate()
