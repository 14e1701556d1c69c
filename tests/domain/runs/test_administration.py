"""An operator makes parked runs due, for an earlier release that would never send them."""

from domain.runs.administration import unpark
from opsrun.postgres.engines import Login
from tests.ledger import ledger_faults
from tests.world import World

DUE = "SELECT not_before <= clock_timestamp() FROM opsrun.outbox WHERE tenant_id = :tenant_id"


async def test_parked_runs_are_due_again(world: World) -> None:
    await world.start()
    await world.write(
        "UPDATE opsrun.outbox SET not_before = 'infinity' WHERE tenant_id = :tenant_id"
    )
    assert [tuple(row) for row in await world.rows(DUE)] == [(False,)]
    assert await unpark(world.resources[Login.MAINTENANCE].transactions) >= 1
    assert [tuple(row) for row in await world.rows(DUE)] == [(True,)]
    assert await ledger_faults(world) == []
