"""A sync whose worker is killed in the middle stores every policy exactly once (issue 15)."""

import asyncio

from bench.work.exports import write_export
from tests.acts import lose_worker, start_sync, until
from tests.ledger import ledger_faults, reload
from tests.opsrun.conftest import Installation
from tests.opsrun.test_processes import maintenance, worker
from tests.world import SCOPE, World

# Enough for a sync of some seconds; `make bench` syncs 50,000.
POLICIES = 15_000
_STORED = """
SELECT count(*), count(DISTINCT policy_id) FROM opsrun.inventory_policy
WHERE tenant_id = :tenant_id
"""
_ITEMS = """
SELECT count(*), count(DISTINCT item_key), count(DISTINCT attempt) FROM opsrun.run_item
WHERE tenant_id = :tenant_id AND outcome = 'succeeded'
"""


async def test_every_policy_is_stored_once(installation: Installation, place: World) -> None:
    await asyncio.to_thread(write_export, place.exports / SCOPE, POLICIES)
    started = await start_sync(place)

    async def has_recorded_some() -> bool:
        counts = (await reload(place, started.run.id)).counts
        assert counts.processed < POLICIES, "the sync ended before its worker was killed"
        return counts.processed > 0

    async def has_ended() -> bool:
        return (await reload(place, started.run.id)).is_terminal

    async with maintenance(installation):
        async with worker(installation) as killed:
            await until(has_recorded_some)
            killed.process.kill()
            await killed.process.wait()
        await lose_worker(place, started.run.id)
        async with worker(installation):
            await until(has_ended)
    run = await reload(place, started.run.id)
    assert (run.status, run.attempt) == ("completed", 2)
    assert run.counts.succeeded == run.counts.total == POLICIES
    assert [tuple(row) for row in await place.rows(_STORED)] == [(POLICIES, POLICIES)]
    # Both attempts recorded items.
    assert [tuple(row) for row in await place.rows(_ITEMS)] == [(POLICIES, POLICIES, 2)]
    assert await ledger_faults(place) == []
