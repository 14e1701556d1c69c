"""A change of a run takes one round trip, and leaves nothing on its connection."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.runs.execution import RunClaimer
from domain.tenancy.session import Session
from domain.tenancy.transactions import Transactions
from opsrun.postgres.engines import Login, open_engine
from tests.statements import recorded_queries
from tests.world import LEASE, World

COUNT_RUNS = text("SELECT count(*) FROM opsrun.operation_run")


@pytest.fixture
async def engine(logins: dict[Login, str]) -> AsyncIterator[AsyncEngine]:
    """A worker's pool of one connection."""
    async with open_engine(logins[Login.WORKER], pool_size=1) as opened:
        yield opened


def claimer(world: World, engine: AsyncEngine) -> RunClaimer:
    """Return a claimer that uses this pool."""
    wakeups = world.resources[Login.WORKER].wakeups
    return RunClaimer(Transactions(engine), wakeups, owner="test")


async def test_a_start_takes_one_round_trip(world: World) -> None:
    await world.start()
    access = await world.access()
    with recorded_queries(world.resources[Login.API].engine) as queries:
        await world.starter.start(
            access, resource="inventory", action="sync", subject="prod", context={}
        )
        await asyncio.sleep(0)  # asyncpg reports a message one turn later
    assert len(queries) == 1


async def test_claim_progress_heartbeat_and_end_take_one_round_trip_each(
    world: World, engine: AsyncEngine
) -> None:
    started = await world.start()
    with recorded_queries(engine) as queries:
        execution = await claimer(world, engine).claim(world.tenant_id, started.run.id, LEASE)
        assert execution is not None
        await execution.set_total(0)
        assert await execution.finished_items() == frozenset()
        await execution.heartbeat(timedelta(minutes=1))
        await execution.finish()
        await asyncio.sleep(0)
    assert len(queries) == 5


async def test_a_change_leaves_no_tenant_on_its_connection(
    world: World, engine: AsyncEngine
) -> None:
    started = await world.start()
    assert await claimer(world, engine).claim(world.tenant_id, started.run.id, LEASE)

    async def count(session: Session) -> int:
        return await session.scalar(COUNT_RUNS)

    # A statement that does not enter its tenant sees no row.
    assert await Transactions(engine).write(world.tenant_id, count) == 0
