"""Three workers that read Graph at the same time keep its limits together (issue 17).

All 5,000: GRAPH_POLICIES=5000 pytest -s tests/opsrun/test_graph_budgets.py
"""

import os
from contextlib import AsyncExitStack
from pathlib import Path

from domain.tenancy.administration import save_tenant
from opsrun.postgres.engines import Login
from tests.acts import start_sync, until
from tests.graph import graph_double
from tests.graph.counting import LIMITS, Area
from tests.graph.samples import sample_policies
from tests.ledger import ledger_faults, reload
from tests.opsrun.conftest import Installation
from tests.opsrun.test_processes import maintenance, worker
from tests.workers.providers.graph.reading import settings_for
from tests.world import World

# Half of them are in the settings catalog: enough to use up its budget.
POLICIES = int(os.environ.get("GRAPH_POLICIES", "2200"))
TAGS = [str(number) for number in range(6)]
SCOPES = ["Default", *(f"Tag {tag}" for tag in TAGS[1:])]


async def test_workers_share_the_budgets(
    installation: Installation, place: World, tmp_path: Path
) -> None:
    policies = sample_policies(POLICIES, tags=TAGS)
    async with graph_double(policies=policies, page_size=100) as double:
        (secret := tmp_path / "secret").write_text(double.tokens.secret)
        settings = settings_for(double, reference=f"file:{secret}", scopes="scope-tag")
        transactions = place.resources[Login.MAINTENANCE].transactions
        await save_tenant(transactions, place.slug, "On Graph", settings)
        environment = {"GRAPH_URL": double.url, "GRAPH_CA_FILE": str(double.ca_file)}
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(maintenance(installation))
            for _ in range(3):
                running = worker(installation, **environment, WORKER_CONCURRENCY="2")
                await stack.enter_async_context(running)
            started = [(await start_sync(place, scope)).run.id for scope in SCOPES]

            async def have_ended() -> bool:
                return all([(await reload(place, run_id)).is_terminal for run_id in started])

            await until(have_ended, seconds=POLICIES / 10)
        runs = [await reload(place, run_id) for run_id in started]
        peaks = {area: double.requests.peak(area) for area in LIMITS}
        print(len(double.requests), double.requests.batches, peaks)  # noqa: T201 - for `-s`
        assert {run.status for run in runs} == {"completed"}
        # Every policy has one tag.
        assert sum(run.counts.succeeded for run in runs) == POLICIES + len(TAGS)
        assert double.requests.over_budget() == {}
        # Together they need more than the budget.
        assert double.requests.by_area()[Area.CATALOG] > LIMITS[Area.CATALOG]
        assert await ledger_faults(place) == []
