"""`opsrun worker` and `opsrun maintenance` execute runs together, and each stops cleanly."""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
import pytest

from domain.runs.models import OperationRun
from domain.runs.repository import reading
from opsrun.dev.embedded import EmbeddedServers
from opsrun.postgres.engines import Login
from tests.acts import export, policy, start_sync
from tests.client import SYNC, User
from tests.databases import url_of
from tests.opsrun.api.test_serving import api
from tests.opsrun.commands import Command, running, until
from tests.opsrun.conftest import Installation
from tests.opsrun.dev.embedded.observing import query
from tests.world import SCOPE, World

WORKING = "Executing runs, 8 at a time"
KEEPING = "Dispatching, rescuing and purging runs"
WAITING_WORKERS = (
    "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
    " WHERE NOT granted AND relation = 'opsrun.inventory_policy'::regclass"
    " AND usename = 'opsrun_worker'"
)


@asynccontextmanager
async def worker(installation: Installation, **settings: str) -> AsyncIterator[Command]:
    environment = installation.environment(Login.WORKER, STATEMENT_TIMEOUT_SECONDS="60", **settings)
    async with running("worker", environment=environment, folder=installation.folder) as command:
        yield command


@asynccontextmanager
async def maintenance(installation: Installation) -> AsyncIterator[Command]:
    environment = installation.environment(Login.MAINTENANCE)
    async with running(
        "maintenance", environment=environment, folder=installation.folder
    ) as command:
        yield command


def owner(servers: EmbeddedServers) -> str:
    return url_of(servers.postgres_url, "processes")


@asynccontextmanager
async def no_policy_can_be_stored(servers: EmbeddedServers) -> AsyncIterator[asyncpg.Connection]:
    """Block work until the context closes or the transaction is rolled back."""
    connection = await asyncpg.connect(owner(servers))
    try:
        await connection.execute("BEGIN")
        await connection.execute("LOCK TABLE opsrun.inventory_policy IN SHARE MODE")
        yield connection
    finally:
        await connection.close()


async def state(place: World, run_id: UUID) -> OperationRun:
    runs = await place.read(reading.by_ids, await place.access(), [run_id])
    return runs[run_id]


async def test_the_processes_together_sync_a_scope(
    installation: Installation, place: World
) -> None:
    export(place, *(policy(str(number)) for number in range(35)), {"id": "broken"})
    async with (
        maintenance(installation) as process,
        worker(installation) as working,
        api(installation) as (_, base),
        User.signed_in(base, place.token()) as user,
    ):
        await process.prints(KEEPING)
        await working.prints(WORKING)
        run = await user.watch(await user.start(SYNC, SCOPE))
    assert run["statusBucket"] == "PARTIALLY_SUCCEEDED"
    assert run["counts"] == {"total": 36, "processed": 36, "failed": 1}


async def test_a_stopping_worker_finishes_or_hands_back_its_runs(
    installation: Installation, place: World, servers: EmbeddedServers
) -> None:
    async def in_hand() -> bool:
        return bool(await query(owner(servers), WAITING_WORKERS))

    export(place, policy("a"), policy("b"))
    async with maintenance(installation) as process:
        async with no_policy_can_be_stored(servers) as lock:
            async with worker(installation, SHUTDOWN_GRACE_SECONDS="0") as hasty:
                started = await start_sync(place, SCOPE)
                await until(in_hand)
                code, seconds = await hasty.stop()
                assert (code, seconds < 3) == (0, True), f"{code} after {seconds} s"
            handed_back = await state(place, started.run.id)
            assert handed_back.status == "pending"

            async with worker(installation) as patient:
                await until(in_hand)
                patient.process.send_signal(signal.SIGTERM)
                await patient.prints("Waiting for 1 running tasks")
                assert (await state(place, started.run.id)).status == "running"
                await lock.execute("ROLLBACK")
                assert await patient.ends() == 0
        finished = await state(place, started.run.id)
        assert (finished.status, finished.counts.succeeded) == ("completed", 2)
        [(attempt, most)] = await place.rows(
            "SELECT attempt, max_attempts FROM opsrun.operation_run WHERE tenant_id = :tenant_id"
        )
        assert most - attempt == 2, "an attempt was charged for a run that was handed back"
        for command in (hasty, patient, process):
            assert "Traceback" not in command.output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_idle_processes_stop_at_once(
    installation: Installation, number: signal.Signals
) -> None:
    async with worker(installation) as idle, maintenance(installation) as process:
        await idle.prints(WORKING)
        await process.prints(KEEPING)
        for command in (idle, process):
            code, seconds = await command.stop(number)
            assert (code, seconds < 3) == (0, True), f"{code} after {seconds} s"
            assert "Traceback" not in command.output
