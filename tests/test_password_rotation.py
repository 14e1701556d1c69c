"""A changed database password is an outage until the processes can log in again."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domain.lifecycle import RunStatus
from opsrun.dev.embedded import EmbeddedServers
from opsrun.postgres.engines import Login, open_engine
from tests.acts import export, policy, start_sync
from tests.client import Client
from tests.conftest import settings_for
from tests.databases import url_of
from tests.gql.api import eventually, running_api
from tests.ledger import reload
from tests.workers.outages import Server
from tests.world import World

QUERY = "{ viewer { name } }"
REFUSED = "password authentication failed"


@pytest.fixture
async def server(servers: EmbeddedServers) -> AsyncIterator[Server]:
    async with open_engine(url_of(servers.postgres_url, "main"), pool_size=1) as engine:
        yield Server(engine)


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the warnings about the refused login; none may contain a traceback."""
    assert not [record for record in caplog.records if record.exc_info]
    assert not [record for record in caplog.records if record.levelno > logging.WARNING]
    return [message for message in caplog.messages if REFUSED in message]


async def test_the_api_is_unavailable_until_it_can_log_in(
    world: World,
    server: Server,
    servers: EmbeddedServers,
    logins: dict[Login, str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = settings_for(logins[Login.API], servers.redis_url, tmp_path)
    async with running_api(settings) as api:
        client = Client(api.http, world.token())
        assert (await client.ask(QUERY)).data
        async with server.changed_password(logins[Login.API]):
            for _ in range(3):
                answer = await client.ask(QUERY)
                assert (answer.status, answer.code) == (503, "UNAVAILABLE")
                assert REFUSED.encode() not in answer.content
            assert len(complaints(caplog)) == 3
        assert (await client.ask(QUERY)).data


async def test_a_worker_leaves_the_run_queued(
    world: World, server: Server, logins: dict[Login, str], caplog: pytest.LogCaptureFixture
) -> None:
    export(world, policy("a"))
    started = await start_sync(world)
    async with server.changed_password(logins[Login.WORKER]):
        await world.work(started)
        assert len(complaints(caplog)) == 1
        assert (await reload(world, started.run.id)).status is RunStatus.PENDING
    await world.work(started)
    assert (await reload(world, started.run.id)).status is RunStatus.COMPLETED


async def test_maintenance_waits(
    world: World, server: Server, logins: dict[Login, str], caplog: pytest.LogCaptureFixture
) -> None:
    export(world, policy("a"))
    started = await start_sync(world)
    async with server.changed_password(logins[Login.MAINTENANCE]):
        loops = asyncio.create_task(world.maintenance().run())
        await eventually(lambda: bool(complaints(caplog)))
        assert world.sent == []
    try:
        await eventually(lambda: world.sent == [started.run.id])
    finally:
        loops.cancel()
        await asyncio.wait([loops])
