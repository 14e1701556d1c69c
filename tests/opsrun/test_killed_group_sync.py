"""A sync of groups whose worker is killed goes on where it was (issue 17)."""

from tests.acts import lose_worker, until
from tests.graph import graph_double
from tests.graph.faults import Slow
from tests.graph.histories import new_groups
from tests.groups import groups_of_double, start_group_sync, stored_groups
from tests.ledger import ledger_faults, reload
from tests.opsrun.conftest import Installation
from tests.opsrun.test_processes import maintenance, worker
from tests.workers.providers.graph.tenants import read_from_graph
from tests.world import World

GROUPS = 60
_READINGS = "SELECT generation FROM opsrun.group_sync WHERE tenant_id = :tenant_id"


async def test_a_later_worker_goes_on_at_the_stored_position(
    installation: Installation, place: World
) -> None:
    async with graph_double(group_page=10, member_page=10) as double:
        new_groups(double.groups, GROUPS)
        await read_from_graph(place, double)
        settings = {
            "GRAPH_URL": double.url,
            "GRAPH_AUTHORITY": double.authority,
            "GRAPH_CA_FILE": str(double.ca_file),
        }
        started = await start_group_sync(place)
        # The worker that is killed waits for a page in the middle.
        slow = double.faults.add("/groups/delta", Slow(60), after=6, times=1)

        async def waits_for_a_page() -> bool:
            return slow.left == 0 and (await reload(place, started.run.id)).counts.processed > 0

        async def has_ended() -> bool:
            return (await reload(place, started.run.id)).is_terminal

        async with maintenance(installation):
            async with worker(installation, **settings) as killed:
                await until(waits_for_a_page)
                killed.process.kill()
                await killed.process.wait()
            assert await stored_groups(place)
            await lose_worker(place, started.run.id)
            async with worker(installation, **settings):
                await until(has_ended)
        run = await reload(place, started.run.id)
        assert (run.status, run.attempt) == ("completed", 2)
        assert run.counts.succeeded == run.counts.total == GROUPS
        assert await stored_groups(place) == groups_of_double(double)
        # The second attempt did not begin again.
        assert [row.generation for row in await place.rows(_READINGS)] == [1]
        assert await ledger_faults(place) == []
