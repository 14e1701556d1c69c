import asyncio
import os
import signal
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError

from opsrun.dev.embedded import EmbeddedServerError, embedded_servers
from opsrun.dev.embedded.child import first_exit
from tests.opsrun.dev.embedded.observing import (
    Started,
    all_gone,
    mode,
    named,
    query,
    until,
    working_in,
)


async def ping(url: str) -> bool:
    client = Redis.from_url(url)
    try:
        return bool(await client.ping())
    finally:
        await client.aclose()


async def test_both_servers_answer_and_a_restart_keeps_rows_and_passwords(
    data_folder: Path, started: Started
) -> None:
    async with embedded_servers(data_folder) as first:
        assert await ping(first.redis_url)
        await query(first.postgres_url, "CREATE TABLE kept AS SELECT 7 AS number")
        assert await query(first.postgres_url, "SHOW fsync") == "on"
        assert await query(first.postgres_url, "SHOW timezone") == "UTC"
        assert await query(first.postgres_url, "SELECT upper('ä')") == "Ä"
        first_run = started()
    assert all_gone(first_run)

    async with embedded_servers(data_folder) as second:
        assert await ping(second.redis_url)
        assert await query(second.postgres_url, "SELECT number FROM kept") == 7
        passwords = [url.rpartition("@")[0] for url in (second.postgres_url, second.redis_url)]
        assert passwords == [
            url.rpartition("@")[0] for url in (first.postgres_url, first.redis_url)
        ]


async def test_connections_without_the_password_are_refused(
    made_folder: Path, started: Started
) -> None:
    async with embedded_servers(made_folder, durable=False) as servers:
        assert await query(servers.postgres_url, "SHOW fsync") == "off"
        password = servers.postgres_url.split(":")[2].split("@")[0]
        with pytest.raises(asyncpg.InvalidPasswordError):
            await query(servers.postgres_url.replace(password, "guess"), "SELECT 1")
        password = servers.redis_url.split(":")[2].split("@")[0]
        with pytest.raises(AuthenticationError):
            await ping(servers.redis_url.replace(password, "guess"))
        assert password not in repr(servers)

        addresses = {
            connection.laddr.ip
            for process in started()
            for connection in process.net_connections("inet")
        }
        assert addresses == {"127.0.0.1"}

        for process in started():
            visible = " ".join([*process.cmdline(), *process.environ().values()])
            for url in (servers.postgres_url, servers.redis_url):
                assert url.split(":")[2].split("@")[0] not in visible
        for name in ("opsrun-embedded.json", "postgres.log", "valkey.log"):
            assert mode(made_folder / name) == 0o600


async def test_two_instances_run_side_by_side(made_folder: Path, data_folder: Path) -> None:
    async with (
        embedded_servers(made_folder, durable=False) as one,
        embedded_servers(data_folder, durable=False) as two,
    ):
        await query(one.postgres_url, "CREATE TABLE only_here ()")
        assert await query(two.postgres_url, "SELECT to_regclass('only_here')") is None
        assert await ping(one.redis_url)
        assert await ping(two.redis_url)


async def test_an_unusual_environment_does_not_matter(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(open_folder)
    monkeypatch.setenv("LANG", "no_SUCH.locale")
    monkeypatch.setenv("PGDATA", "/nowhere")
    folder = Path("long" * 40) / "it's a {folder} with ünicode"
    async with embedded_servers(folder, durable=False) as servers:
        assert await query(servers.postgres_url, "SHOW server_encoding") == "UTF8"
        assert await ping(servers.redis_url)
    assert mode(open_folder / folder / "postgres") == 0o700


async def test_a_server_that_dies_is_reported(made_folder: Path, started: Started) -> None:
    async with embedded_servers(made_folder, durable=False) as servers:
        waiting = asyncio.create_task(first_exit(servers.children))
        valkey = named("valkey-server", started())
        assert valkey is not None
        valkey.kill()
        assert "Valkey was killed by signal 9" in await asyncio.wait_for(waiting, 10)

    async with embedded_servers(made_folder, durable=False) as servers:
        postgres = named("postgres", started())
        assert postgres is not None
        os.kill(postgres.pid, signal.SIGTERM)
        message = await asyncio.wait_for(first_exit(servers.children), 10)
        assert "Postgres ended with code 0" in message
        assert "received smart shutdown request" in message


@pytest.mark.parametrize("moment", ["initdb", "postgres"])
async def test_a_cancelled_owner_leaves_no_process(
    data_folder: Path, started: Started, moment: str
) -> None:
    async def own() -> None:
        async with embedded_servers(data_folder, durable=False):
            await asyncio.Event().wait()

    task = asyncio.create_task(own())
    await until(lambda: named(moment, started()) is not None)
    running = started()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    # Processes that initdb started later can be recognized only by their folder.
    await until(lambda: all_gone([*running, *working_in(data_folder)]))


async def test_another_thread_is_refused(data_folder: Path) -> None:
    async def start() -> None:
        async with embedded_servers(data_folder):
            raise AssertionError("started")

    with pytest.raises(RuntimeError, match="main thread"):
        await asyncio.to_thread(asyncio.run, start())


async def test_an_error_of_the_owner_passes_unchanged(made_folder: Path) -> None:
    with pytest.raises(OSError, match="my own"):
        async with embedded_servers(made_folder, durable=False):
            raise OSError("my own")
    with pytest.raises(EmbeddedServerError, match="in use"):
        async with embedded_servers(made_folder), embedded_servers(made_folder):
            pass
