"""`migrate` requires rights and a recent server, and may run concurrently."""

import asyncio

import pytest
from sqlalchemy import text

from opsrun.dev.embedded import EmbeddedServers
from opsrun.postgres import migrations
from opsrun.postgres.engines import Login, UnsafeLoginError, open_engine
from opsrun.postgres.migrations import migrate
from opsrun.settings import SettingsError
from tests.databases import new_database


async def test_a_login_without_privileges_is_reported_with_the_missing_ones(
    logins: dict[Login, str],
) -> None:
    async with open_engine(logins[Login.API]) as engine:
        with pytest.raises(UnsafeLoginError, match=r"permission denied.*may create roles"):
            await migrate(engine)


async def test_an_old_server_is_refused_before_any_change(
    servers: EmbeddedServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "OLDEST_POSTGRES", 99)
    async with open_engine(await new_database(servers.postgres_url, "old")) as engine:
        with pytest.raises(SettingsError, match=r"PostgreSQL \d\d\. Expected: PostgreSQL 99"):
            await migrate(engine)
        async with engine.connect() as connection:
            schema = await connection.execute(text("SELECT to_regnamespace('opsrun')::text"))
            assert schema.scalar_one() is None


async def test_concurrent_migrations_run_once(
    servers: EmbeddedServers, logins: dict[Login, str]
) -> None:
    async with open_engine(await new_database(servers.postgres_url, "raced")) as engine:
        await asyncio.gather(migrate(engine), migrate(engine))
        async with engine.connect() as connection:
            versions = await connection.execute(
                text("SELECT version_num FROM opsrun.alembic_version")
            )
            assert len(versions.all()) == 1
