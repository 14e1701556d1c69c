"""Commit events of runs at a fixed rate, as the API and a worker do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from time import perf_counter

from bench.peers import CHANNEL
from bench.servers import FilledServers
from bench.tenants import operator_access, start_sync
from domain.runs.execution import RunClaimer
from domain.runs.starting import RunStarter
from domain.tenancy.models import TenantAccess
from opsrun.postgres.engines import Login
from opsrun.resources import open_resources, use_cases
from tests.world import MAX_ACTIVE_RUNS

LEASE = timedelta(minutes=5)
# The events for peers, which know nothing of Opsrun's feed. A notification is sent at the commit.
NOTIFY = f"""
CREATE SCHEMA IF NOT EXISTS bench;
CREATE OR REPLACE FUNCTION bench.notify_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('{CHANNEL}', json_build_object(
        '__typename', 'OperationRunChanged', 'cursor', NEW.seq::text, 'change', 'UPDATED',
        'occurredAt', to_char(NEW.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'run', json_build_object(
            'id', NEW.run_id, 'version', NEW.version, 'runType', 'inventory.sync',
            'status', NEW.status, 'statusBucket', NEW.status_bucket, 'createdAt', NEW.occurred_at,
            'startedAt', NEW.started_at, 'finishedAt', NEW.finished_at,
            'initiator', json_build_object('kind', 'USER', 'name', 'Operator'),
            'counts', json_build_object(
                'total', NEW.total, 'processed', NEW.succeeded + NEW.failed + NEW.skipped,
                'succeeded', NEW.succeeded, 'failed', NEW.failed, 'skipped', NEW.skipped)
        ))::text);
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER bench_notify AFTER INSERT ON opsrun.run_event
    FOR EACH ROW EXECUTE FUNCTION bench.notify_event();
"""


@dataclass(frozen=True, slots=True)
class EventWriter:
    """Starts, claims and finishes runs of one tenant; each of the three commits one event."""

    _access: TenantAccess
    _starter: RunStarter
    _claimer: RunClaimer

    async def write(self, per_second: float, seconds: float) -> int:
        """Commit events at this rate, or slower if they take longer; return how many."""
        began = perf_counter()
        events = 0
        async for _ in self._events():
            events += 1
            if events >= per_second * seconds or perf_counter() - began >= seconds:
                return events
            await asyncio.sleep(began + events / per_second - perf_counter())
        raise AssertionError("The events never end.")

    async def _events(self) -> AsyncIterator[None]:
        while True:
            started = await start_sync(self._starter, self._access)
            yield
            run = await self._claimer.claim(self._access.tenant_id, started.run.id, LEASE)
            assert run is not None
            yield
            await run.finish()
            yield


@asynccontextmanager
async def open_event_writer(servers: FilledServers, slug: str) -> AsyncIterator[EventWriter]:
    """Open a writer with the logins of an API and a worker."""
    async with (
        open_resources(servers.settings(Login.API), Login.API) as api,
        open_resources(servers.settings(Login.WORKER), Login.WORKER) as worker,
    ):
        cases = use_cases(api, max_active_runs=MAX_ACTIVE_RUNS)
        yield EventWriter(
            await operator_access(cases, slug),
            RunStarter(api.transactions, api.wakeups, max_active_runs=MAX_ACTIVE_RUNS),
            RunClaimer(worker.transactions, worker.wakeups, owner="bench"),
        )
