"""The real PgBouncer, in each of its pool modes, between the processes and Postgres."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from opsrun.dev.embedded import EmbeddedServers
from opsrun.postgres.engines import Login, open_engine
from opsrun.resources import open_resources
from opsrun.settings import PREFIX, SettingsError
from tests.acts import export, policy
from tests.client import SYNC, User
from tests.conftest import settings_for
from tests.databases import new_database
from tests.opsrun.api.test_serving import api
from tests.opsrun.commands import running
from tests.opsrun.conftest import Installation
from tests.opsrun.test_processes import KEEPING, WORKING, maintenance, worker
from tests.pgbouncer import PROGRAM, pgbouncer
from tests.world import SCOPE, World


@pytest.fixture(autouse=True)
def require_pgbouncer(request: pytest.FixtureRequest) -> None:
    """Skip the tests without it, except in CI."""
    if PROGRAM is None:
        lack = "needs pgbouncer, as Debian's package of that name"
        (pytest.fail if request.config.getoption("skip_nothing") else pytest.skip)(lack)


async def test_in_session_mode_every_command_works(
    servers: EmbeddedServers, logins: dict[Login, str], tmp_path: Path
) -> None:
    owner = await new_database(servers.postgres_url, "pooled")
    async with (
        pgbouncer("session", [servers.postgres_url, *logins.values()]) as pooler,
        AsyncExitStack() as stack,
    ):
        environment = {f"{PREFIX}DATABASE_URL": pooler.url(owner)}
        async with running("migrate", environment=environment, folder=tmp_path) as command:
            assert await command.ends() == 0, command.output
        installation = Installation(
            {login: pooler.url(url, owner.database) for login, url in logins.items()},
            servers.redis_url.removesuffix("/0") + "/3",
            tmp_path,
        )
        place = await World.create(
            {
                login: await stack.enter_async_context(
                    open_resources(settings_for(url, installation.redis_url, tmp_path), login)
                )
                for login, url in installation.urls.items()
            },
            tmp_path,
        )
        export(place, policy("a"), policy("b"), {"id": "broken"})
        keeping = await stack.enter_async_context(maintenance(installation))
        working = await stack.enter_async_context(worker(installation))
        _, base = await stack.enter_async_context(api(installation))
        user = await stack.enter_async_context(User.signed_in(base, place.token()))
        await keeping.prints(KEEPING)
        await working.prints(WORKING)
        run = await user.watch(await user.start(SYNC, SCOPE))
    assert run["statusBucket"] == "PARTIALLY_SUCCEEDED"
    assert run["counts"] == {"total": 3, "processed": 3, "failed": 1}


@pytest.mark.parametrize("mode", ["transaction", "statement"])
async def test_other_modes_are_refused_with_what_to_do(mode: str, logins: dict[Login, str]) -> None:
    async with pgbouncer(mode, logins.values()) as pooler:
        with pytest.raises(SettingsError) as refused:
            async with open_engine(pooler.url(logins[Login.API]), statement_timeout_seconds=1):
                pass
    assert str(refused.value).startswith("OPSRUN_DATABASE_URL: A pooler shares")
    assert "pool_mode to session" in str(refused.value)
