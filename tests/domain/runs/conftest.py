"""What the tests of the ledger share."""

from datetime import timedelta

import pytest

from domain.runs.maintenance import RunMaintenance
from opsrun.postgres.engines import Login
from tests.domain.runs.keeper import Keeper
from tests.world import World


@pytest.fixture
def keeper(world: World) -> Keeper:
    """RunMaintenance of all tenants, and the means to let a worker of this one vanish."""
    maintenance = world.resources[Login.MAINTENANCE]
    return Keeper(
        world, RunMaintenance(maintenance.transactions, maintenance.wakeups), timedelta(0)
    )
