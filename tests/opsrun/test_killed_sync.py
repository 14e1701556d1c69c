"""A sync whose worker is killed in the middle stores every policy exactly once (issue 15)."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bench.work.exports import write_export
from domain.runs.models import StartedRun
from domain.tenancy.administration import save_tenant
from opsrun.postgres.engines import Login
from tests.acts import lose_worker, start_sync, until
from tests.graph import graph_double
from tests.graph.test_policies import catalog_policy
from tests.ledger import ledger_faults, reload
from tests.opsrun.conftest import Installation
from tests.opsrun.test_processes import maintenance, worker
from tests.workers.providers.graph.reading import settings_for
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

    async def is_time() -> bool:
        return await has_recorded_some(place, started)

    await finish_after_a_kill(installation, place, started, is_time)
    # Both attempts recorded items.
    assert await item_counts(place) == (POLICIES, POLICIES, 2)


@pytest.mark.parametrize("moment", ["reading", "recording"])
async def test_every_policy_of_graph_is_stored_once(
    installation: Installation, place: World, tmp_path: Path, moment: str
) -> None:
    catalog = [catalog_policy(f"c{number}", 3) for number in range(300)]
    plain = [{"id": f"d{number}", "displayName": "D"} for number in range(POLICIES - len(catalog))]
    collections = {"configurationPolicies": catalog, "deviceConfigurations": plain}
    async with graph_double(policies=collections, page_size=999) as double:
        (secret := tmp_path / "secret").write_text(double.tokens.secret)
        settings = settings_for(double, reference=f"file:{secret}")
        transactions = place.resources[Login.MAINTENANCE].transactions
        await save_tenant(transactions, place.slug, "On Graph", settings)
        started = await start_sync(place, "all")

        async def is_time() -> bool:
            if moment == "recording":
                return await has_recorded_some(place, started)
            return double.requests.to("*/settings") >= len(catalog) // 3

        await finish_after_a_kill(
            installation,
            place,
            started,
            is_time,
            GRAPH_URL=double.url,
            GRAPH_CA_FILE=str(double.ca_file),
        )
        if moment == "reading":
            assert double.requests.to("*/settings") < 2 * len(catalog)
    attempts = 2 if moment == "recording" else 1
    assert await item_counts(place) == (POLICIES, POLICIES, attempts)


async def has_recorded_some(place: World, started: StartedRun) -> bool:
    counts = (await reload(place, started.run.id)).counts
    assert counts.processed < POLICIES, "the sync ended before its worker was killed"
    return counts.processed > 0


async def finish_after_a_kill(
    installation: Installation,
    place: World,
    started: StartedRun,
    is_time: Callable[[], Awaitable[bool]],
    **settings: str,
) -> None:
    """Kill the run's worker when it is time; another one finishes the run."""

    async def has_ended() -> bool:
        return (await reload(place, started.run.id)).is_terminal

    async with maintenance(installation):
        async with worker(installation, **settings) as killed:
            await until(is_time)
            killed.process.kill()
            await killed.process.wait()
        await lose_worker(place, started.run.id)
        async with worker(installation, **settings):
            await until(has_ended)
    run = await reload(place, started.run.id)
    assert (run.status, run.attempt) == ("completed", 2)
    assert run.counts.succeeded == run.counts.total == POLICIES
    assert [tuple(row) for row in await place.rows(_STORED)] == [(POLICIES, POLICIES)]
    assert await ledger_faults(place) == []


async def item_counts(place: World) -> tuple[int, ...]:
    """Return the number of items, of their keys, and of attempts that recorded them."""
    (row,) = await place.rows(_ITEMS)
    return tuple(row)
