"""Servers end with their owner, and the next start has all rows."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from opsrun.dev.embedded import EmbeddedServerError, embedded_servers
from tests.opsrun.dev.embedded.observing import (
    Started,
    all_gone,
    children,
    named,
    owner_process,
    query,
    until,
)


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
async def test_no_process_is_left_and_the_rows_survive(
    made_folder: Path, ending: signal.Signals
) -> None:
    async with owner_process(made_folder) as owner:
        postgres_url, _ = await owner.urls()
        await query(postgres_url, f"CREATE TABLE {ending.name} AS SELECT 7 AS number")
        servers = children(owner.process.pid)
        os.killpg(owner.process.pid, ending)
        await owner.process.wait()
        await until(lambda: all_gone(servers))

    async with embedded_servers(made_folder) as again:
        assert await query(again.postgres_url, f"TABLE {ending.name}") == 7


async def test_a_terminals_interrupt_reaches_the_owner_only(made_folder: Path) -> None:
    async with owner_process(made_folder) as owner:
        postgres_url, _ = await owner.urls()
        servers = children(owner.process.pid)
        owner.process.send_signal(signal.SIGSTOP)
        os.killpg(owner.process.pid, signal.SIGINT)
        assert await query(postgres_url, "SELECT 1") == 1
        owner.process.send_signal(signal.SIGCONT)
        assert await owner.process.wait() == 0
        assert all_gone(servers)
    assert "database system is shut down" in (made_folder / "postgres.log").read_text()


async def test_a_second_instance_reports_which_process_uses_the_folder(made_folder: Path) -> None:
    async with owner_process(made_folder) as owner:
        await owner.urls()
        with pytest.raises(EmbeddedServerError) as refused:
            async with embedded_servers(made_folder):
                pass
        assert str(made_folder) in str(refused.value)
        assert f"pid {owner.process.pid}" in str(refused.value)


async def test_a_start_waits_for_the_postgres_of_a_killed_owner(
    made_folder: Path, started: Started
) -> None:
    async with owner_process(made_folder) as owner:
        await owner.urls()
        postgres = named("postgres", children(owner.process.pid))
        assert postgres is not None
        postgres.suspend()
        owner.process.kill()
        await owner.process.wait()

    async def start() -> int:
        async with embedded_servers(made_folder) as servers:
            return int(await query(servers.postgres_url, "SELECT 1"))

    starting = asyncio.create_task(start())
    await until(lambda: named("valkey-server", started()) is not None)
    done, _ = await asyncio.wait([starting], timeout=0.1)
    assert not done
    postgres.resume()
    assert await asyncio.wait_for(starting, 20) == 1


async def test_a_start_succeeds_after_an_owner_killed_during_initdb(data_folder: Path) -> None:
    async with owner_process(data_folder) as owner:
        await until(lambda: named("initdb", children(owner.process.pid)) is not None)
        making = children(owner.process.pid)
        owner.process.kill()
        await owner.process.wait()
        await until(lambda: all_gone(making))

    async with embedded_servers(data_folder, durable=False) as servers:
        assert await query(servers.postgres_url, "SELECT 1") == 1
    assert not (data_folder / "postgres.new").exists()
