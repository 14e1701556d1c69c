"""A primary with a hot standby, which tests can hold back, break and start again."""

import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, text
from sqlalchemy.ext.asyncio import AsyncEngine

from opsrun.dev.embedded import EmbeddedServers, port, programs
from opsrun.dev.embedded.child import Child, spawn
from opsrun.dev.embedded.folder import DataFolder, claimed_folder
from opsrun.dev.embedded.postgres import running_postgres
from opsrun.dev.provision import create_database, provision
from opsrun.postgres.engines import Login, open_engine
from opsrun.postgres.url import parse_url
from opsrun.resources import Resources, open_resources
from opsrun.settings import Settings
from tests.acts import until
from tests.conftest import settings_for
from tests.databases import SECRET
from tests.world import World


async def answer(engine: AsyncEngine, sql: str) -> Any:
    """Execute a statement by itself, and return its only value."""
    async with engine.connect() as connection:
        autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
        result = await autocommit.execute(text(sql))
        return result.scalar_one() if result.returns_rows else None


class Standby:
    """A hot standby; it stays on its port when it is stopped and started."""

    def __init__(self, primary: AsyncEngine, folder: DataFolder) -> None:
        self.primary = primary
        self._folder = folder
        self._port = port.free_port()
        self._stack = AsyncExitStack()
        self._server: Child | None = None
        self.engine = primary

    def url_like(self, primary: URL) -> str:
        """Return the standby's URL for the login and database of a URL of the primary."""
        url = primary.set(drivername="postgresql", port=self._port)
        return url.render_as_string(hide_password=False)

    async def copy(self) -> None:
        """Copy the primary's data."""
        cluster = self._folder.path / "postgres"
        cluster.mkdir(mode=0o700)
        if (account := self._folder.account) is not None:
            shutil.chown(cluster, account.uid, account.gid)
        program, url = programs.executable(programs.POSTGRES, self._folder), self.primary.url
        copying = spawn(
            "pg_basebackup",
            [
                program.with_name("pg_basebackup"),
                *("-h", "127.0.0.1", "-p", str(url.port), "-U", str(url.username), "-D", cluster),
                *("--write-recovery-conf", "--checkpoint=fast", "--no-sync"),
            ],
            account=account,
            folder=Path("/"),
            log=self._folder.path / "copy.log",
            env={"PATH": os.defpath, "PGPASSWORD": str(url.password)},
        )
        assert await copying.wait() == 0, copying.log_tail()

    async def start(self) -> None:
        """Start the server, and return when it accepts connections."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(port, "free_port", lambda: self._port)
            self._server, _ = await self._stack.enter_async_context(
                running_postgres(self._folder, durable=False)
            )
        url = self.url_like(self.primary.url)
        self.engine = await self._stack.enter_async_context(open_engine(url, pool_size=1))

    async def kill(self) -> None:
        """End the server and its connections at once; do nothing if it is not running."""
        if self._server is not None:
            self._server.process.send_signal(signal.SIGQUIT)
            await self._server.wait()
            self._server = None
            await self._stack.aclose()

    async def catch_up(self) -> None:
        """Wait until the standby has all that the primary has committed."""
        here = await answer(self.primary, "SELECT CAST(pg_current_wal_flush_lsn() AS text)")
        await self.reach(f"pg_last_wal_replay_lsn() >= '{here}'")

    async def reach(self, condition: str) -> None:
        """Wait until a condition holds on the standby."""

        async def holds() -> bool:
            return bool(await answer(self.engine, f"SELECT {condition}"))

        await until(holds)

    @asynccontextmanager
    async def behind(self) -> AsyncIterator[None]:
        """Let the standby catch up, and hold it there during the context."""
        await self.catch_up()
        await answer(self.engine, "SELECT pg_wal_replay_pause()")
        await self.reach("pg_get_wal_replay_pause_state() = 'paused'")
        try:
            yield
        finally:
            await answer(self.engine, "SELECT pg_wal_replay_resume()")

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Lock the table of runs on the primary, and so on the standby, during the context."""
        async with self.primary.begin() as connection:
            lock = text("LOCK TABLE opsrun.operation_run IN ACCESS EXCLUSIVE MODE")
            await connection.execute(lock)
            # The standby gets the lock with the next commit.
            await answer(self.primary, "SELECT pg_logical_emit_message(true, 'tests', '')")
            locks = "SELECT FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted"
            await self.reach(f"EXISTS ({locks})")
            yield

    @asynccontextmanager
    async def hanging(self) -> AsyncIterator[None]:
        """Make reads of runs wait on the standby, but not on the primary, during the context."""
        async with AsyncExitStack() as stack:
            async with self.locked():
                await stack.enter_async_context(self.behind())
            yield

    @asynccontextmanager
    async def impatient(self) -> AsyncIterator[None]:
        """Let replay end the reads in its way at once, during the context."""
        await self._configure("ALTER SYSTEM SET max_standby_streaming_delay = 0")
        try:
            yield
        finally:
            await self._configure("ALTER SYSTEM RESET max_standby_streaming_delay")

    async def _configure(self, sql: str) -> None:
        await answer(self.engine, sql)
        await answer(self.engine, "SELECT pg_reload_conf()")


@dataclass(frozen=True, slots=True)
class Pair:
    """A primary and its standby with Opsrun's database and logins."""

    standby: Standby
    resources: dict[Login, Resources]
    settings: Settings
    """The API's settings; they name the standby as the replica."""


@pytest.fixture(scope="session")
def open_folder() -> Iterator[Path]:
    """A folder for the servers of root, whose account cannot enter pytest's folders."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder


@pytest.fixture(scope="session")
async def pair(
    servers: EmbeddedServers, open_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Pair]:
    """A primary and a standby for the tests of replicas."""
    folder = tmp_path_factory.mktemp("data")
    async with AsyncExitStack() as stack:
        places = [
            stack.enter_context(claimed_folder(open_folder / name)) for name in ("one", "two")
        ]
        _, admin_url = await stack.enter_async_context(running_postgres(places[0], durable=False))
        database = await create_database(admin_url)
        logins = await provision(database, SECRET)
        primary = await stack.enter_async_context(open_engine(database, pool_size=2))
        # Otherwise, the standby gets a commit when the primary writes its log for other reasons.
        await answer(primary, f"ALTER DATABASE {database.database} SET synchronous_commit = on")
        standby = Standby(primary, places[1])
        await standby.copy()
        await standby.start()
        stack.push_async_callback(standby.kill)
        resources = {
            login: await stack.enter_async_context(
                open_resources(settings_for(url, servers.redis_url, folder), login)
            )
            for login, url in logins.items()
        }
        replica_url = standby.url_like(parse_url(logins[Login.API]))
        settings = settings_for(
            logins[Login.API], servers.redis_url, folder, replica_url=replica_url
        )
        yield Pair(standby, resources, settings)


@pytest.fixture
async def paired(pair: Pair, tmp_path: Path) -> World:
    """A tenant of the pair, with a member of every role."""
    return await World.create(pair.resources, tmp_path)
