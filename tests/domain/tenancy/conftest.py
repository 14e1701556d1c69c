"""Two tenants with rows in every table, for tests that change nothing."""

from collections.abc import AsyncIterator

import pytest

from opsrun.postgres.engines import Login
from opsrun.resources import Resources
from tests.domain.filling import fill
from tests.world import World


@pytest.fixture(scope="session")
async def neighbours(
    resources: dict[Login, Resources], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[World, World]]:
    """Two tenants that must not see each other."""
    worlds = [await World.create(resources, tmp_path_factory.mktemp("exports")) for _ in range(2)]
    for world in worlds:
        await fill(world)
    yield worlds[0], worlds[1]
