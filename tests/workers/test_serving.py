"""A worker records its run types for as long as it reads messages."""

import asyncio
from datetime import timedelta

import pytest

from domain.runs.serving import ServedRunTypes
from domain.tenancy.session import DatabaseUnavailableError
from domain.wakeups import OUTBOX_TOPIC
from opsrun.postgres.engines import Login
from tests.acts import until
from tests.world import World
from workers import serving
from workers.serving import keep_serving


class Flaky(ServedRunTypes):
    """Fails while the database is away, and counts what works."""

    records = 0
    error: Exception | None = None

    async def record(self) -> None:
        if self.error is not None:
            raise self.error
        await super().record()
        self.records += 1


@pytest.fixture
def served(world: World, monkeypatch: pytest.MonkeyPatch) -> Flaky:
    monkeypatch.setattr(serving, "_RECORD_SECONDS", 0.05)
    worker = world.resources[Login.WORKER]
    return Flaky(worker.transactions, worker.wakeups, ["test.serving"])


async def seen(world: World) -> timedelta | None:
    """Return how long ago a worker with the type was running."""
    rows = await world.rows(
        "SELECT clock_timestamp() - seen_at AS age FROM opsrun.worker_run_type"
        " WHERE run_type = 'test.serving'"
    )
    return rows[0].age if rows else None


async def test_it_records_again_and_again_and_stops_with_the_worker(
    world: World, served: Flaky
) -> None:
    async def has_recorded(times: int = 3) -> bool:
        return served.records >= times

    stopping = asyncio.Event()
    async with (
        world.resources[Login.MAINTENANCE].wakeups.subscribe(OUTBOX_TOPIC) as waiter,
        keep_serving(served, stopping),
    ):
        await until(has_recorded)
        assert await waiter.wait(10)
        age = await seen(world)
        assert age is not None
        assert age < timedelta(seconds=10)
        # While the last runs end, the worker reads no messages.
        stopping.set()
        await asyncio.sleep(0)
        records = served.records
        await asyncio.sleep(0.2)
        assert served.records <= records + 1


@pytest.mark.parametrize("error", [DatabaseUnavailableError("away"), RuntimeError("a bug")])
async def test_it_survives_an_outage_and_wakes_the_relay_afterwards(
    world: World, served: Flaky, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def is_lost() -> bool:
        return "Cannot record this worker's run types" in caplog.text

    async def is_back() -> bool:
        return served.records > before

    async with keep_serving(served, asyncio.Event()):
        served.error = error
        await until(is_lost)
        before = served.records
        async with world.resources[Login.MAINTENANCE].wakeups.subscribe(OUTBOX_TOPIC) as waiter:
            served.error = None
            await until(is_back)
            assert await waiter.wait(10)
