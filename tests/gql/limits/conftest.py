"""An API whose limits are near, over all transports."""

from collections.abc import AsyncIterator

import pytest

from opsrun.database import Login
from opsrun.embedded import EmbeddedServers
from tests.conftest import settings_for
from tests.gql.api import RunningApi, running_api


@pytest.fixture(scope="session")
async def strict(
    servers: EmbeddedServers, logins: dict[Login, str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningApi]:
    """Small documents, no introspection, no suggestions."""
    settings = settings_for(
        logins[Login.API],
        servers.redis_url,
        tmp_path_factory.mktemp("strict"),
        limit_tokens=100,
        limit_depth=6,
        limit_fields=20,
        limit_aliases=3,
        limit_directives=3,
        limit_duplicates=3,
        limit_cost=200,
        operations_per_socket=2,
        introspection=False,
        suggestions=False,
    )
    async with running_api(settings) as running:
        yield running
