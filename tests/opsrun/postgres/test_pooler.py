"""Poolers between a process and the database."""

from pathlib import Path

import pytest
from sqlalchemy import text

from domain.tenancy.session import DatabaseUnavailableError
from domain.tenancy.transactions import Transactions
from opsrun.dev.embedded import EmbeddedServers
from opsrun.postgres.engines import Login, open_engine
from opsrun.postgres.url import parse_url
from opsrun.resources import open_resources
from opsrun.settings import SettingsError
from tests.conftest import settings_for
from tests.pooler import Pooler
from tests.world import World

TIMEOUTS = text(
    "SELECT current_setting('statement_timeout'),"
    " current_setting('idle_in_transaction_session_timeout')"
)


def through(url: str, pooler: Pooler) -> str:
    return parse_url(url).set(port=pooler.port).render_as_string(hide_password=False)


def port_of(url: str) -> int:
    return parse_url(url).port or 0


async def test_a_pooler_that_keeps_sessions_works_like_the_server(
    world: World, servers: EmbeddedServers, logins: dict[Login, str], tmp_path: Path
) -> None:
    url = logins[Login.WORKER]
    async with Pooler(port_of(url), shares=False) as pooler:
        settings = settings_for(through(url, pooler), servers.redis_url, tmp_path)
        async with open_resources(settings, Login.WORKER) as resources:
            for _ in range(2):
                async with resources.transactions.tenant(world.tenant_id) as session:
                    assert tuple(await session.one(TIMEOUTS)) == ("10s", "5s")


async def test_a_pooler_that_shares_sessions_is_refused(logins: dict[Login, str]) -> None:
    url = logins[Login.API]
    async with Pooler(port_of(url), shares=True) as pooler:
        with pytest.raises(SettingsError) as refused:
            async with open_engine(through(url, pooler), statement_timeout_seconds=1):
                pass
    assert str(refused.value).startswith("OPSRUN_DATABASE_URL: A pooler shares")
    assert "pool_mode to session" in str(refused.value)


async def test_a_pooler_that_disconnects_during_connection_setup_is_an_outage(
    world: World, logins: dict[Login, str]
) -> None:
    url = logins[Login.API]
    async with (
        Pooler(port_of(url), shares=False) as pooler,
        open_engine(through(url, pooler), statement_timeout_seconds=1) as engine,
    ):
        pooler.ends_at = b"SET "
        # The pool has one connection, so another one has to be made.
        async with engine.connect():
            with pytest.raises(DatabaseUnavailableError):
                async with Transactions(engine).tenant(world.tenant_id):
                    pass
        pooler.ends_at = None
        async with Transactions(engine).tenant(world.tenant_id) as session:
            assert tuple(await session.one(TIMEOUTS)) == ("1s", "5s")
