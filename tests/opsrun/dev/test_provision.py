"""A database can be provisioned repeatedly; other installations' logins stay untouched."""

import pytest
from sqlalchemy import make_url, text

from opsrun.dev.embedded import EmbeddedServers
from opsrun.dev.provision import provision, require_own_logins
from opsrun.postgres.engines import Login, UnsafeLoginError, open_engine, require_login
from opsrun.postgres.url import parse_url
from tests.databases import SECRET, new_database, url_of
from tests.opsrun.conftest import Installation


async def test_a_second_start_changes_nothing(
    servers: EmbeddedServers, installation: Installation
) -> None:
    database = await new_database(servers.postgres_url, "processes")
    assert await provision(database, SECRET) == installation.urls


@pytest.mark.parametrize("login", Login)
async def test_every_url_logs_in(installation: Installation, login: Login) -> None:
    async with open_engine(installation.urls[login]) as engine:
        await require_login(engine, login)


async def test_options_of_the_url_are_kept(servers: EmbeddedServers) -> None:
    database = parse_url(f"{url_of(servers.postgres_url, 'processes')}?sslmode=prefer")
    for url in (await provision(database, SECRET)).values():
        assert make_url(url).query == {"sslmode": "prefer"}
        parse_url(url)


async def test_logins_of_another_installation_do_not_change(
    servers: EmbeddedServers, installation: Installation
) -> None:
    database = parse_url(url_of(servers.postgres_url, "processes"))
    await require_own_logins(database, SECRET)
    with pytest.raises(UnsafeLoginError) as refused:
        await require_own_logins(database, b"another installation")
    assert "OPSRUN_DATABASE_URL" in str(refused.value)
    assert "ALTER ROLE opsrun_" in str(refused.value)
    async with open_engine(installation.urls[Login.API]) as engine, engine.connect() as connection:
        assert (await connection.execute(text("SELECT 1"))).scalar_one() == 1
