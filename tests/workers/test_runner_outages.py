"""An outage of the database fails no run."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from domain.lifecycle import RunStatus, StatusBucket
from domain.runs.execution import RunClaimer, RunExecution
from domain.runs.failures import FailureReason, ProducerError
from opsrun.dev.embedded import EmbeddedServers
from opsrun.postgres.engines import Login, open_engine
from tests.acts import lose_worker, skip_delay, until
from tests.databases import url_of
from tests.ledger import failures, ledger_faults, reload
from tests.workers.outages import Fragile, Server
from tests.workers.scripted import (
    SHORT,
    Blocked,
    Scripted,
    execute,
    executing,
    lease_end,
    runner_of,
)
from tests.world import World


@pytest.fixture
def fragile(world: World) -> Fragile:
    return Fragile(world.resources[Login.WORKER].engine)


@pytest.fixture
def fragile_claimer(world: World, fragile: Fragile) -> RunClaimer:
    return RunClaimer(fragile, world.resources[Login.WORKER].wakeups, owner="fragile")


@pytest.fixture
async def server(servers: EmbeddedServers) -> AsyncIterator[Server]:
    async with open_engine(url_of(servers.postgres_url, "main"), pool_size=1) as engine:
        yield Server(engine)


@pytest.mark.parametrize("in_a_transaction", [True, False])
async def test_a_failover_costs_the_run_nothing(
    world: World, server: Server, in_a_transaction: bool
) -> None:
    async def work(execution: RunExecution) -> None:
        if execution.lease.attempt == 1:
            async with execution.batch() as batch:
                batch.succeeded("before")
            if in_a_transaction:
                async with execution.batch() as batch:
                    batch.succeeded("lost")
                    await server.break_connections()
            else:
                await server.break_connections()
        async with execution.batch() as batch:
            batch.succeeded("after")

    started = await world.start()
    runner = runner_of(world, Scripted(work))
    await execute(runner, started)
    halfway = await reload(world, started.run.id)
    assert await failures(world, halfway) == {}
    if in_a_transaction:
        assert (halfway.status, halfway.counts.succeeded) == (RunStatus.PENDING, 1)
        await execute(runner, started)
        assert (await reload(world, started.run.id)).attempt == 1, "the delay has not passed"
        await skip_delay(world, started.run.id)
        await execute(runner, started)
    run = await reload(world, started.run.id)
    assert (run.status_bucket, run.counts.succeeded) == (StatusBucket.SUCCEEDED, 2)
    assert await ledger_faults(world) == []


async def test_a_server_that_refuses_connections_costs_the_run_nothing(
    world: World, server: Server
) -> None:
    producer, started = Blocked(), await world.start()
    runner = runner_of(world, producer)
    async with executing(runner, started, producer):
        async with server.closed_to_workers():
            handing_back = asyncio.create_task(runner.hand_back())
            await producer.cancelled.wait()
            await execute(runner, await world.start())
        await handing_back
    run = await reload(world, started.run.id)
    assert run.status is RunStatus.PENDING
    assert await failures(world, run) == {}


async def test_an_outage_before_the_work_leaves_the_run_to_another_message(
    world: World, fragile: Fragile, fragile_claimer: RunClaimer
) -> None:
    producer, started = Blocked(), await world.start()
    fragile.down = True
    await execute(runner_of(world, producer, claimer=fragile_claimer), started)
    assert producer.runs == 0
    assert (await reload(world, started.run.id)).status is RunStatus.PENDING


@pytest.mark.parametrize(
    "outcome",
    [None, ProducerError(FailureReason.SCOPE_NOT_FOUND, "No scope."), RuntimeError("oops")],
)
async def test_an_outage_at_the_end_leaves_the_run_to_a_rescue(
    world: World,
    fragile: Fragile,
    fragile_claimer: RunClaimer,
    outcome: Exception | None,
) -> None:
    async def work(_: RunExecution) -> None:
        fragile.down = True
        if outcome is not None:
            raise outcome

    started = await world.start()
    await execute(
        runner_of(world, Scripted(work), lease=timedelta(seconds=0.1), claimer=fragile_claimer),
        started,
    )
    run = await reload(world, started.run.id)
    assert run.status is RunStatus.RUNNING
    assert await failures(world, run) == {}
    await lose_worker(world, started.run.id)
    assert (await reload(world, started.run.id)).status is RunStatus.PENDING


async def test_handing_back_waits_for_the_end_of_an_outage(
    world: World,
    fragile: Fragile,
    fragile_claimer: RunClaimer,
) -> None:
    producer, started = Blocked(), await world.start()
    runner = runner_of(world, producer, claimer=fragile_claimer)
    async with executing(runner, started, producer):
        fragile.down = True
        handing_back = asyncio.create_task(runner.hand_back())
        await producer.cancelled.wait()
        assert (await reload(world, started.run.id)).status is RunStatus.RUNNING
        fragile.down = False
        await handing_back
    assert (await reload(world, started.run.id)).status is RunStatus.PENDING


async def test_a_lease_survives_an_outage_between_two_heartbeats(
    world: World, fragile: Fragile, fragile_claimer: RunClaimer
) -> None:
    producer, started = Blocked(), await world.start()
    runner = runner_of(world, producer, lease=SHORT, claimer=fragile_claimer)
    async with executing(runner, started, producer):
        fragile.down = True
        first = await lease_end(world, started)

        async def is_over() -> bool:
            rows = await world.rows("SELECT clock_timestamp() > :end AS over", end=first)
            return bool(rows[0].over)

        await until(is_over)
        fragile.down = False

        async def is_renewed() -> bool:
            return await lease_end(world, started) > first

        await until(is_renewed)
        producer.go_on.set()
    assert (await reload(world, started.run.id)).status_bucket is StatusBucket.SUCCEEDED
