"""The tests refuse a server with an installation, and clean up another one."""

import os
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from opsrun.dev.embedded import EmbeddedServers, embedded_servers
from opsrun.dev.provision import create_database, provision
from opsrun.postgres.engines import UnsafeLoginError, open_engine
from tests.conftest import OTHER_POSTGRES
from tests.databases import PREFIX, SECRET, drop_all, new_database, require_no_installation


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The superuser's URL of an empty server."""
    folder = tmp_path_factory.mktemp("another") / "servers"
    async with embedded_servers(folder, durable=False) as running:
        yield running.postgres_url


async def run(server: str, statement: str) -> None:
    async with open_engine(server) as engine, engine.begin() as connection:
        await connection.execute(text(statement))


async def names(server: str, query: str) -> set[str]:
    async with open_engine(server) as engine, engine.connect() as connection:
        return {*(await connection.execute(text(query))).scalars()}


async def databases(server: str) -> set[str]:
    return await names(server, "SELECT datname FROM pg_database WHERE NOT datistemplate")


async def roles(server: str) -> set[str]:
    return await names(server, "SELECT rolname FROM pg_roles WHERE rolname NOT LIKE 'pg_%'")


async def test_every_database_of_the_tests_has_their_prefix(
    servers: EmbeddedServers, logins: dict[str, str]
) -> None:
    assert all(f"/{PREFIX}" in url for url in logins.values())
    if OTHER_POSTGRES not in os.environ:
        others = {name for name in await databases(servers.postgres_url) if PREFIX not in name}
        assert others == {"postgres"}


@pytest.mark.parametrize(
    "role", ["opsrun_api LOGIN PASSWORD 'theirs'", "opsrun_worker LOGIN", "opsrun_worker"]
)
async def test_a_server_with_an_installation_is_refused(server: str, role: str) -> None:
    await run(server, f"CREATE ROLE {role}")
    try:
        with pytest.raises(UnsafeLoginError, match=role.partition(" ")[0]):
            await require_no_installation(server)
    finally:
        await run(server, f"DROP ROLE {role.partition(' ')[0]}")


async def test_only_databases_and_roles_of_the_tests_are_dropped(server: str) -> None:
    await create_database(server, "opsrun")
    before = await databases(server), await roles(server)
    await provision(await new_database(server, "main"), SECRET)
    await run(server, f'CREATE ROLE "{PREFIX}owner"')
    # Roles that a killed run left are reused.
    await require_no_installation(server)
    assert (await databases(server), await roles(server)) != before
    await drop_all(server)
    assert (await databases(server), await roles(server)) == before


async def test_roles_that_another_database_uses_are_kept(server: str) -> None:
    await provision(await create_database(server, "theirs"), SECRET)
    await drop_all(server)
    assert {"opsrun_api", "opsrun_worker", "opsrun_maintenance"} <= await roles(server)
