"""Runs that have nothing to do: each compares two snapshots that have no policies.

No other run does less. Its producer reads both snapshots and the recorded items, and records that
there are none. So it writes four events: queued, started, the total, finished.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from bench.load.process import Generator, open_generator
from bench.processes import OPSRUN, Server, running
from bench.reads import request
from bench.stage import WORK, Stage
from bench.tenants import member_tokens
from domain.tenancy.models import SYSTEM_INITIATOR_ID
from tests.client import DRIFT

# Two successful syncs of each scope.
_SNAPSHOTS = f"""
INSERT INTO opsrun.operation_run (
    tenant_id, id, resource, action, idempotency_key, status, initiator_id, initiator_name,
    context, subject, attempt, created_at, started_at, finished_at)
SELECT tenant_id, gen_random_uuid(), 'inventory', 'sync', sha256(scope::bytea), 'completed',
    '{SYSTEM_INITIATOR_ID}', 'System', jsonb_build_object('scopeKey', scope), scope, 1, at, at, at
FROM unnest($1::uuid[]) tenant_id,
    (SELECT 'empty-' || number AS scope FROM generate_series(0, $2 - 1) number) scopes,
    (SELECT now() - make_interval(mins => number) AS at FROM generate_series(1, 2) number) times
"""
_COUNT = "SELECT count(*) FROM opsrun.operation_run WHERE run_type = 'drift.generate'"
_LEFT = """
SELECT (SELECT count(*) FROM opsrun.operation_run WHERE status = 'pending')
    + (SELECT count(*) FROM opsrun.operation_run WHERE status = 'running')
"""


@dataclass(frozen=True, slots=True)
class EmptyRuns:
    """Starts empty runs through the API, and sees when they have ended."""

    api: Server
    tokens: Mapping[str, str]
    """A token of a member of each tenant."""
    _stage: Stage
    _generator: Generator
    _database: asyncpg.Connection

    async def start(self, count: int, *, callers: int, tenants: Sequence[str] = WORK[:1]) -> Any:
        """Start that many runs, by turns in each tenant; return the load generator's figures."""
        before = await self._database.fetchval(_COUNT)
        result = await self._generator.call(
            "send",
            port=self.api.port,
            requests=[
                self._request(tenants[number % len(tenants)], number) for number in range(count)
            ],
            connections=callers,
        )
        new = await self._database.fetchval(_COUNT) - before
        assert new == count, f"{new} of {count} starts made a new run."
        return result

    async def left(self) -> int:
        """Return how many runs have not ended."""
        return int(await self._database.fetchval(_LEFT))

    def _request(self, slug: str, number: int) -> str:
        variables = {"tenant": self._stage.global_id(slug), "scope": f"empty-{number}"}
        return request(self.tokens[slug], DRIFT, variables)


async def add_snapshots(stage: Stage) -> None:
    """Give each tenant as many scopes with two empty snapshots as a case starts runs."""
    scopes = max(stage.scale.empty_runs, stage.scale.starts)
    database = await asyncpg.connect(stage.servers.superuser_url)
    tenants = [stage.servers.tenants[slug] for slug in WORK]
    await database.execute(_SNAPSHOTS, tenants, scopes)
    await database.close()


@asynccontextmanager
async def open_empty_runs(
    stage: Stage, database_port: int | None = None
) -> AsyncIterator[EmptyRuns]:
    """Run an API and a load generator; `database_port` is that of a proxy to Postgres."""
    tokens = {slug: (await member_tokens(stage.servers.maintenance, slug, 1))[0] for slug in WORK}
    database = await asyncpg.connect(stage.servers.superuser_url)
    try:
        async with (
            open_generator("bench.load.http") as generator,
            running(stage.servers, [OPSRUN], database_port) as [api],
        ):
            yield EmptyRuns(api, tokens, stage, generator, database)
    finally:
        await database.close()
