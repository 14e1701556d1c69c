"""A restored backup serves: its runs go on, and clients' cursors from the lost period are refused.

The owner of the databases is not a superuser, as at a managed service.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import URL, text

from domain.lifecycle import RunStatus
from domain.runs.models import RunEventKind
from domain.tables import metadata
from opsrun.dev.embedded import EmbeddedServers, programs
from opsrun.dev.embedded.folder import claimed_folder
from opsrun.postgres.engines import Login, open_engine
from opsrun.postgres.migrations import migrate
from opsrun.postgres.url import parse_url
from opsrun.resources import open_resources
from tests.acts import claim, export, policy, relay, start_sync, sync, wait_for_end
from tests.client import SSE, User
from tests.conftest import settings_for
from tests.databases import PREFIX, new_database
from tests.gql.runs.watching import WATCH_RUNS, cursor_at, of_tenant
from tests.ledger import ledger_faults, timeline
from tests.opsrun.api.test_serving import api
from tests.opsrun.commands import running
from tests.opsrun.conftest import Installation
from tests.opsrun.test_processes import maintenance, worker
from tests.test_migrations import ROW_LEVEL_SECURITY, SHAPE, read
from tests.world import World

OWNER = f"{PREFIX}restorer"
AN_HOUR_PASSES = """
    UPDATE opsrun.operation_run SET lease_expires_at = lease_expires_at - interval '1 hour',
        last_dispatched_at = last_dispatched_at - interval '1 hour',
        not_before = not_before - interval '1 hour'
    WHERE finished_at IS NULL AND tenant_id = :tenant_id
"""


@dataclass(frozen=True, slots=True)
class Database:
    """A database of the owner."""

    superuser: URL
    installation: Installation

    @property
    def owner(self) -> URL:
        return self.superuser.set(username=OWNER, password="secret")

    @property
    def maintenance(self) -> URL:
        return parse_url(self.installation.urls[Login.MAINTENANCE])

    async def rows(self) -> Mapping[str, int]:
        """Count the rows of every table."""
        async with open_engine(self.superuser) as engine, engine.connect() as connection:
            return {
                table.name: await connection.scalar(text(f"SELECT count(*) FROM {table.fullname}"))
                for table in metadata.sorted_tables
            }

    async def schema(self) -> set[tuple[str, ...]]:
        """Read all tables, policies, grants and owners."""
        async with open_engine(self.superuser) as engine:
            return await read(engine, SHAPE) | await read(engine, ROW_LEVEL_SECURITY)

    @asynccontextmanager
    async def world(self, exports: Path) -> AsyncIterator[World]:
        """Yield a new tenant. The startup checks of every kind of process pass."""
        redis_url, folder = self.installation.redis_url, self.installation.folder
        async with AsyncExitStack() as stack:
            resources = {
                login: await stack.enter_async_context(
                    open_resources(settings_for(url, redis_url, folder), login)
                )
                for login, url in self.installation.urls.items()
            }
            yield await World.create(resources, exports)


@pytest.fixture
async def original(servers: EmbeddedServers, logins: dict[Login, str], tmp_path: Path) -> Database:
    async with open_engine(servers.postgres_url) as engine, engine.begin() as connection:
        role = f"CREATE ROLE \"{OWNER}\" LOGIN CREATEROLE PASSWORD 'secret'"
        await connection.execute(text(role))
    database = await new(servers, logins, tmp_path)
    async with open_engine(database.owner) as engine:
        await migrate(engine)
    return database


async def new(servers: EmbeddedServers, logins: dict[Login, str], folder: Path) -> Database:
    """Create an empty database of the owner."""
    url = await new_database(servers.postgres_url, uuid4().hex[:12])
    async with open_engine(url) as engine, engine.begin() as connection:
        await connection.execute(text(f'ALTER DATABASE "{url.database}" OWNER TO "{OWNER}"'))
    urls = {
        login: libpq(parse_url(login_url).set(database=url.database))
        for login, login_url in logins.items()
    }
    redis_url = servers.redis_url.removesuffix("/0") + "/2"
    return Database(url, Installation(urls, redis_url, folder))


def libpq(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


async def program(folder: Path, name: str, *arguments: str | Path) -> str:
    """Run a program of Postgres; return its errors."""
    with claimed_folder(folder / "programs") as claimed:
        postgres = programs.executable(programs.POSTGRES, claimed)
    process = await asyncio.create_subprocess_exec(
        postgres.with_name(name), *arguments, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate()
    return errors.decode()


async def test_a_restored_backup_serves(
    original: Database, servers: EmbeddedServers, logins: dict[Login, str], tmp_path: Path
) -> None:
    exports, file = tmp_path / "exports", tmp_path / "opsrun.dump"
    dump = ("-Fc", "-n", "opsrun", "-f", file)
    async with original.world(exports) as before:
        for scope in ("lab", "next"):
            export(before, policy("a"), scope_key=scope)
        ended = await sync(before, policy("a"), policy("b"))
        queued = (await start_sync(before, "next")).run.id
        await relay(before)
        begun = (await start_sync(before, "lab")).run.id
        lost_worker = await claim(before, begun)
        backed_up = await original.rows()
        # As its owner, the database cannot be backed up.
        errors = await program(tmp_path, "pg_dump", *dump, libpq(original.owner))
        assert "query would be affected by row-level security policy" in errors
        complete = (*dump, "--enable-row-security", libpq(original.maintenance))
        assert await program(tmp_path, "pg_dump", *complete) == ""
        # The period that is lost.
        await lost_worker.finish()
        await sync(before, scope_key="next")
        lost = (await before.cursor(await before.access())).seq
        lost_cursor = await cursor_at(before, lost)
        timeline_of_ended = await timeline(before, ended.id)

    restored = await new(servers, logins, tmp_path)
    restore = ("--no-owner", "--exit-on-error", "--single-transaction", "-d")
    assert await program(tmp_path, "pg_restore", *restore, libpq(restored.owner), file) == ""
    assert await restored.rows() == backed_up
    assert await restored.schema() == await original.schema()
    environment = restored.installation.environment(Login.MAINTENANCE)
    async with running("reset-feeds", environment=environment, folder=tmp_path) as command:
        assert await command.ends() == 0
        assert command.output.startswith("Reset the feeds of 1 tenants.")
    async with restored.world(exports) as another:
        after = replace(
            another, tenant_id=before.tenant_id, slug=before.slug, members=before.members
        )
        await after.write(AN_HOUR_PASSES)
        async with (
            maintenance(restored.installation),
            worker(restored.installation),
            api(restored.installation) as (_, base),
            User.signed_in(base, after.token()) as user,
        ):
            for run_id, attempts in ((queued, 1), (begun, 2)):
                run = await wait_for_end(after, run_id)
                assert (run.status, run.attempt) == (RunStatus.COMPLETED, attempts)
                assert (await timeline(after, run_id))[-1] is RunEventKind.FINISHED
            # Without the new epoch, this cursor would lead to other events.
            assert (await after.cursor(await after.access())).seq >= lost
            variables = of_tenant(after, after=lost_cursor)
            async with user.subscribe(SSE, WATCH_RUNS, variables) as stream:
                reset = await stream.next()
            assert (reset["__typename"], reset["reason"]) == ("FeedReset", "CURSOR_FOREIGN")
            assert len(reset["runs"]) == len({ended.id, queued, begun})
        assert await timeline(after, ended.id) == timeline_of_ended
        assert await ledger_faults(after) == []
