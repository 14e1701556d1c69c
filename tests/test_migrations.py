"""The migrations create the tables of the code, even when they run again or concurrently."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.tables import SCHEMA, metadata
from opsrun.dev.embedded import EmbeddedServers
from opsrun.postgres.engines import open_engine
from opsrun.postgres.migrations import migrate, migrations_config
from tests.databases import PREFIX, new_database

# The columns, constraints and indexes of every table. Alembic's comparison ignores checks,
# computed columns and the predicates of indexes.
SHAPE = """
    SELECT 'column', a.attrelid::regclass::text, a.attname, format_type(a.atttypid, a.atttypmod),
        a.attnotnull::text, a.attidentity::text || a.attgenerated::text,
        coalesce(pg_get_expr(d.adbin, d.adrelid), '')
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE c.relnamespace = 'opsrun'::regnamespace AND c.relkind = 'r' AND a.attnum > 0
        AND c.relname <> 'alembic_version'
    UNION ALL
    SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid), '', '', ''
    FROM pg_constraint WHERE connamespace = 'opsrun'::regnamespace AND contype <> 't'
        AND conrelid <> 0 AND conrelid::regclass::text <> 'opsrun.alembic_version'
    UNION ALL
    SELECT 'index', tablename, indexname, indexdef, '', '', ''
    FROM pg_indexes WHERE schemaname = 'opsrun' AND tablename <> 'alembic_version'
"""
ROW_LEVEL_SECURITY = """
    SELECT tablename, policyname, roles::text, cmd, qual, with_check FROM pg_policies
    WHERE schemaname = 'opsrun'
    UNION ALL
    SELECT relname, relowner::regrole::text, array_to_string(relacl, ' '),
        relrowsecurity::text, relforcerowsecurity::text, ''
    FROM pg_class WHERE relnamespace = 'opsrun'::regnamespace AND relkind = 'r'
"""


@asynccontextmanager
async def database(servers: EmbeddedServers) -> AsyncIterator[AsyncEngine]:
    """A new, empty database."""
    url: URL = await new_database(servers.postgres_url, f"empty_{uuid4().hex[:12]}")
    async with open_engine(url) as engine:
        yield engine


async def read(engine: AsyncEngine, query: str) -> set[tuple[str, ...]]:
    """Return the rows of a query on the catalog."""
    async with engine.connect() as connection:
        return {tuple(row) for row in await connection.execute(text(query))}


async def test_the_migrations_create_the_tables_of_the_code(servers: EmbeddedServers) -> None:
    async with database(servers) as migrated, database(servers) as created:
        await migrate(migrated)
        async with created.begin() as connection:
            await connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
            await connection.run_sync(metadata.create_all)
        by_migrations, by_tables = await read(migrated, SHAPE), await read(created, SHAPE)
        assert by_migrations - by_tables == set()
        assert by_tables - by_migrations == set()
        assert len(by_tables) > 100


async def test_alembic_detects_no_difference(servers: EmbeddedServers) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "version_table_schema": SCHEMA,
                "include_name": lambda name, type_, _: type_ != "schema" or name == SCHEMA,
            },
        )
        return list(compare_metadata(context, metadata))

    async with database(servers) as engine:
        await migrate(engine)
        async with engine.connect() as connection:
            assert await connection.run_sync(differences) == []


async def fingerprint(connection: AsyncConnection) -> set[tuple[str, ...]]:
    """Return the transaction that wrote each part of the schema."""
    rows = await connection.execute(
        text(
            "SELECT relname, xmin::text FROM pg_class WHERE relnamespace = 'opsrun'::regnamespace"
            " UNION ALL SELECT polname, xmin::text FROM pg_policy"
            " UNION ALL SELECT version_num, xmin::text FROM opsrun.alembic_version"
        )
    )
    return {tuple(row) for row in rows}


async def test_migrating_again_changes_nothing(servers: EmbeddedServers) -> None:
    async with database(servers) as engine:
        await migrate(engine)
        async with engine.connect() as connection:
            before = await fingerprint(connection)
        await migrate(engine)
        async with engine.connect() as connection:
            assert await fingerprint(connection) == before


async def test_several_processes_may_migrate_at_once(servers: EmbeddedServers) -> None:
    async with database(servers) as alone, database(servers) as one, database(servers) as other:
        await migrate(alone)
        # `other` is another database of the same server: they share the roles.
        processes = [await migrate_elsewhere(engine) for engine in (one, one, other)]
        for process in processes:
            _, errors = await process.communicate()
            assert process.returncode == 0, errors.decode()
        for query in (SHAPE, ROW_LEVEL_SECURITY):
            expected = await read(alone, query)
            assert await read(one, query) == expected
            assert await read(other, query) == expected


async def migrate_elsewhere(engine: AsyncEngine) -> asyncio.subprocess.Process:
    """Start `opsrun migrate` as a process; alembic allows one migration per process."""
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "opsrun", "migrate"),
        env=os.environ | {"OPSRUN_DATABASE_URL": url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_a_migration_that_fails_leaves_the_database_as_it_was(
    servers: EmbeddedServers,
) -> None:
    async with database(servers) as engine:
        async with engine.begin() as connection:
            await connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
            # Conflicts with a table that the migrations create late.
            await connection.execute(text(f"CREATE TABLE {SCHEMA}.run_item ()"))
        before = await read(engine, SHAPE)
        with pytest.raises(DBAPIError, match='"run_item" already exists'):
            await migrate(engine)
        assert await read(engine, SHAPE) == before


async def test_rows_of_earlier_versions_lose_secrets_and_ids(servers: EmbeddedServers) -> None:
    """The owner is not a superuser, as in production, so row level security applies to it too."""
    owner, other = f"{PREFIX}owner", uuid4()
    values = {"id": uuid4(), "run": uuid4(), "other": other, "name": str(other)}
    async with database(servers) as engine:
        async with engine.begin() as connection:
            await connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
            await connection.run_sync(upgrade, "0006")
            for statement in OLD_ROWS:
                await connection.execute(text(statement), values)
            await connection.execute(text(f"CREATE ROLE \"{owner}\" LOGIN PASSWORD 'secret'"))
            await connection.execute(text(HAND_OVER.format(owner=owner)))
        async with open_engine(engine.url.set(username=owner, password="secret")) as owned:
            await migrate(owned)
        async with engine.connect() as connection:
            changes = await connection.execute(text("SELECT changes FROM opsrun.drift_finding"))
            assert changes.scalar_one() == [
                {"path": path, "change": "CHANGED", "old": None, "new": None, "is_secret": True}
                for path in ("preSharedKey", "minutes")
            ]
            subjects = await connection.execute(text("SELECT subject FROM opsrun.operation_run"))
            assert set(subjects.scalars()) == {"prod", "Weekly"}
        assert any(
            row[0] == "drift_finding" and row[3:5] == ("true", "true")
            for row in await read(engine, ROW_LEVEL_SECURITY)
        )


async def test_existing_runs_are_counted_as_new_ones_are(servers: EmbeddedServers) -> None:
    owner, values = f"{PREFIX}counting", {"id": uuid4(), "other": uuid4()}
    async with database(servers) as engine:
        async with engine.begin() as connection:
            await connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
            await connection.run_sync(upgrade, "0007")
            for statement in (*OLD_ROWS[:2], FINISHED_RUNS):
                await connection.execute(text(statement), values)
            await connection.execute(text(f"CREATE ROLE \"{owner}\" LOGIN PASSWORD 'secret'"))
            await connection.execute(text(HAND_OVER.format(owner=owner)))
        async with open_engine(engine.url.set(username=owner, password="secret")) as owned:
            await migrate(owned)
        by_migration = await read(engine, COUNTS)
        assert len(by_migration) > 100
        async with engine.begin() as connection:
            # The trigger takes each run out of its counts, and puts it back.
            for end in ("NULL, status = 'pending'", "now(), status = 'completed'"):
                await connection.execute(
                    text(f"UPDATE opsrun.operation_run SET finished_at = {end}")
                )
        assert await read(engine, COUNTS) == by_migration


def upgrade(connection: Connection, revision: str) -> None:
    command.upgrade(migrations_config(connection), revision)


OLD_ROWS = (
    "INSERT INTO opsrun.tenant (id, slug, name) VALUES (:id, 'a', 'A')",
    "INSERT INTO opsrun.tenant_feed (tenant_id) VALUES (:id)",
    "INSERT INTO opsrun.operation_run (tenant_id, id, resource, action, idempotency_key,"
    " initiator_id, initiator_name, context, subject)"
    " VALUES (:id, :run, 'drift', 'generate', 'k', :other, 'A', '{}', 'prod')",
    "INSERT INTO opsrun.backup_set (tenant_id, id, name, created_by_id, created_by_name)"
    " VALUES (:id, :other, 'Weekly', :other, 'A')",
    "INSERT INTO opsrun.operation_run (tenant_id, id, resource, action, idempotency_key,"
    " initiator_id, initiator_name, context, subject)"
    " VALUES (:id, :other, 'backup_set', 'add_policies', 'k', :other, 'A', '{}', :name)",
    "INSERT INTO opsrun.drift_finding (tenant_id, id, run_id, fingerprint, scope_key,"
    " baseline_run_id, current_run_id, policy_id, policy_name, policy_type, kind, changes)"
    " VALUES (:id, :id, :run, 'f', 'prod', :other, :other, 'p', 'P', 't', 'MODIFIED', '["
    ' {"path": "preSharedKey", "change": "CHANGED", "old": "one", "new": "two"},'
    ' {"path": "minutes", "change": "CHANGED", "old": 1, "new": 2}]\')',
)
# Over weeks, with two types, and an initiator who has two names.
FINISHED_RUNS = """
    INSERT INTO opsrun.operation_run (tenant_id, id, resource, action, idempotency_key, status,
        initiator_id, initiator_name, context, subject, created_at, finished_at)
    SELECT CAST(:id AS uuid), gen_random_uuid(), 'drift', 'a' || n % 2, int4send(n), 'completed',
        CAST(CASE n % 3 WHEN 0 THEN :id ELSE :other END AS uuid), 'A' || n % 6 / 3, '{}', 'prod',
        timestamptz '2026-03-01 UTC' + n * interval '5 hours', now()
    FROM generate_series(1, 200) n
"""
COUNTS = "SELECT count::text FROM opsrun.run_count AS count"
HAND_OVER = """DO $$ DECLARE name text; BEGIN
  EXECUTE format('ALTER DATABASE %I OWNER TO "{owner}"', current_database());
  ALTER SCHEMA opsrun OWNER TO "{owner}";
  FOR name IN SELECT relname FROM pg_class WHERE relnamespace = 'opsrun'::regnamespace
      AND relkind = 'r' LOOP
    EXECUTE format('ALTER TABLE opsrun.%I OWNER TO "{owner}"', name);
  END LOOP;
END $$"""
