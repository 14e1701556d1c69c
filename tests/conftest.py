"""Real servers for every test: an embedded pair and a migrated database for each process."""

import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from opsrun.dev.embedded import EmbeddedServers, embedded_servers
from opsrun.dev.provision import provision
from opsrun.postgres.engines import Login
from opsrun.resources import Resources, open_resources
from opsrun.settings import Settings
from tests.databases import SECRET, drop_all, new_database, require_no_installation
from tests.world import LOCAL_KEY, World

# A superuser's URL of another Postgres to test on.
OTHER_POSTGRES = "TEST_POSTGRES_URL"

# A package beside Opsrun, with a run type and fields of the schema. Every test of the whole schema
# or of all run types therefore covers what another package adds.
sys.path.insert(0, str(Path(__file__).parent / "package"))

pytest_plugins = [
    "tests.valkey",
    "tests.installing",
    "tests.forecast",
    "tests.wheel",
    "tests.standby",
]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background job ignores Ctrl-C; the programs that tests start would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to share another Postgres among processes: its roles exist only once."""
    if OTHER_POSTGRES in os.environ and config.getoption("numprocesses", None):
        raise pytest.UsageError(f"With {OTHER_POSTGRES}, run the tests in one process: -n 0")


@pytest.fixture(scope="session")
async def servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedServers]:
    """Postgres and Valkey, until the tests end."""
    folder = tmp_path_factory.mktemp("embedded") / "servers"
    async with embedded_servers(folder, durable=False) as running:
        if (other := os.environ.get(OTHER_POSTGRES)) is None:
            yield running
            return
        await require_no_installation(other)
        try:
            yield replace(running, postgres_url=other)
        finally:
            await drop_all(other)


@pytest.fixture(scope="session")
async def logins(servers: EmbeddedServers) -> dict[Login, str]:
    """The URL of each login to one migrated database."""
    return await provision(await new_database(servers.postgres_url, "main"), SECRET)


@pytest.fixture(scope="session")
async def resources(
    servers: EmbeddedServers, logins: dict[Login, str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[Login, Resources]]:
    """The resources of each kind of process, opened with its login."""
    folder: Path = tmp_path_factory.mktemp("data")
    async with AsyncExitStack() as stack:
        yield {
            login: await stack.enter_async_context(
                open_resources(settings_for(url, servers.redis_url, folder), login)
            )
            for login, url in logins.items()
        }


def settings_for(database_url: str, redis_url: str, data_folder: Path, **more: object) -> Settings:
    """Return the settings that a process of these servers would read."""
    return Settings.model_validate(
        {
            "database_url": database_url,
            "redis_url": redis_url,
            "data_folder": data_folder,
            "local_key": LOCAL_KEY,
            "port": 0,
            **more,
        }
    )


@pytest.fixture
async def world(resources: dict[Login, Resources], tmp_path: Path) -> World:
    """A new tenant with a member of every role, and the use cases."""
    return await World.create(resources, tmp_path)
