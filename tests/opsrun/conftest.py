"""A separate installation for real processes."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from opsrun.dev.embedded import EmbeddedServers
from opsrun.dev.provision import provision
from opsrun.postgres.engines import Login
from opsrun.resources import Resources, open_resources
from opsrun.settings import PREFIX
from tests.conftest import settings_for
from tests.databases import SECRET, new_database
from tests.world import LOCAL_KEY, World


@dataclass(frozen=True, slots=True)
class Installation:
    """A database and a Redis database without runs of other tests."""

    urls: Mapping[Login, str]
    redis_url: str
    folder: Path

    def environment(self, login: Login, **more: str) -> dict[str, str]:
        """Return the variables of a process with this login."""
        variables = {
            "DATABASE_URL": self.urls[login],
            "REDIS_URL": self.redis_url,
            "DATA_FOLDER": str(self.folder),
            "LOCAL_KEY": LOCAL_KEY,
            "DATABASE_POOL_SIZE": "5",
            "DRAIN_SECONDS": "0",
            **more,
        }
        return {PREFIX + name: value for name, value in variables.items()}


@pytest.fixture(scope="session")
async def installation(
    servers: EmbeddedServers,
    logins: dict[Login, str],  # not used, but its roles must be there first
    tmp_path_factory: pytest.TempPathFactory,
) -> Installation:
    """A migrated database and a Redis database for the processes of these tests."""
    urls = await provision(await new_database(servers.postgres_url, "processes"), SECRET)
    redis_url = servers.redis_url.removesuffix("/0") + "/1"
    return Installation(urls, redis_url, tmp_path_factory.mktemp("processes"))


@pytest.fixture(scope="session")
async def installed(installation: Installation) -> AsyncIterator[dict[Login, Resources]]:
    """The resources of the installation's processes, for tests that inspect their effects."""
    async with AsyncExitStack() as stack:
        yield {
            login: await stack.enter_async_context(
                open_resources(
                    settings_for(url, installation.redis_url, installation.folder), login
                )
            )
            for login, url in installation.urls.items()
        }


@pytest.fixture
async def place(installed: dict[Login, Resources], tmp_path: Path) -> World:
    """A tenant of the installation, with a member of every role."""
    return await World.create(installed, tmp_path)
