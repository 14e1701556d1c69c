"""No process serves a database whose row level security differs from the migrations."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import URL, text

from opsrun.dev.embedded import EmbeddedServers
from opsrun.dev.provision import provision
from opsrun.postgres.engines import Login, open_engine
from opsrun.postgres.row_level_security import OpenTableError, require_row_level_security
from opsrun.resources import open_resources
from tests.conftest import settings_for
from tests.databases import SECRET, new_database
from tests.opsrun.conftest import Installation

DISABLED = "has row level security disabled"
NOT_FORCED = "does not force row level security on its owner"
IN_SESSION = "opsrun.current_tenant_id()"
NO_POLICY = "has no policy for this login"


@pytest.fixture(scope="module")
async def owner(servers: EmbeddedServers, logins: dict[Login, str]) -> URL:
    """A migrated database whose row level security a test may change, as its owner."""
    url = await new_database(servers.postgres_url, "walls")
    await provision(url, SECRET)
    return url


def url_of(owner: URL, logins: dict[Login, str], login: Login) -> str:
    """Return the URL of a login in that database."""
    return f"{logins[login].rsplit('/', 1)[0]}/{owner.database}"


@asynccontextmanager
async def changed(owner: URL, change: str, undo: str) -> AsyncIterator[None]:
    """Change the database until the context closes."""
    async with open_engine(owner) as engine:
        async with engine.begin() as connection:
            await connection.execute(text(change))
        try:
            yield
        finally:
            async with engine.begin() as connection:
                await connection.execute(text(undo))


@pytest.mark.parametrize("login", Login)
async def test_a_migrated_database_is_accepted(
    owner: URL, logins: dict[Login, str], login: Login
) -> None:
    async with open_engine(url_of(owner, logins, login)) as engine:
        await require_row_level_security(engine)


@pytest.mark.parametrize("login", Login)
@pytest.mark.parametrize(
    ("change", "undo", "says"),
    [
        (
            "ALTER TABLE opsrun.run_item DISABLE ROW LEVEL SECURITY",
            "ALTER TABLE opsrun.run_item ENABLE ROW LEVEL SECURITY",
            f"run_item {DISABLED}",
        ),
        (
            "ALTER TABLE opsrun.tenant NO FORCE ROW LEVEL SECURITY",
            "ALTER TABLE opsrun.tenant FORCE ROW LEVEL SECURITY",
            f"tenant {NOT_FORCED}",
        ),
        (
            "CREATE TABLE opsrun.forgotten (tenant_id uuid)",
            "DROP TABLE opsrun.forgotten",
            f"forgotten {DISABLED}",
        ),
        (
            "CREATE TABLE opsrun.parted (tenant_id uuid) PARTITION BY LIST (tenant_id)",
            "DROP TABLE opsrun.parted",
            f"parted {DISABLED}",
        ),
    ],
)
async def test_an_unprotected_table_is_named(
    servers: EmbeddedServers,
    owner: URL,
    logins: dict[Login, str],
    installation: Installation,
    login: Login,
    change: str,
    undo: str,
    says: str,
) -> None:
    settings = settings_for(url_of(owner, logins, login), servers.redis_url, installation.folder)
    async with changed(owner, change, undo):
        with pytest.raises(OpenTableError) as refused:
            async with open_resources(settings, login):
                pass
    assert f"in this database: {says}. Restore" in str(refused.value)
    assert "FORCE ROW LEVEL SECURITY" in str(refused.value)


@pytest.mark.parametrize("login", [Login.API, Login.WORKER])
async def test_the_policy_of_another_login_does_not_count(
    owner: URL, logins: dict[Login, str], login: Login
) -> None:
    other = "ALTER POLICY tenant ON opsrun.run_event TO opsrun_maintenance"
    async with (
        changed(owner, other, "ALTER POLICY tenant ON opsrun.run_event TO PUBLIC"),
        open_engine(url_of(owner, logins, login)) as engine,
    ):
        with pytest.raises(OpenTableError, match=f"run_event {NO_POLICY}"):
            await require_row_level_security(engine)


OPEN = "has a policy for this login that does not check the tenant"


@pytest.mark.parametrize("login", Login)
@pytest.mark.parametrize(
    ("definition", "table"),
    [
        ("USING (true)", "run_item"),
        ("FOR SELECT USING (tenant_id IS NOT NULL)", "run_item"),
        ("FOR INSERT WITH CHECK (true)", "run_event"),
        (f"USING (tenant_id = {IN_SESSION}) WITH CHECK (true)", "notification"),
        ("FOR SELECT USING (true)", "tenant"),
        (f"USING (tenant_id = {IN_SESSION} OR tenant_id IS NOT NULL)", "run_item"),
        (f"FOR SELECT USING (true OR id = {IN_SESSION})", "tenant"),
    ],
)
async def test_a_policy_that_admits_every_row_is_refused(
    owner: URL, logins: dict[Login, str], login: Login, definition: str, table: str
) -> None:
    made = f"CREATE POLICY extra ON opsrun.{table} {definition}"
    async with (
        changed(owner, made, f"DROP POLICY extra ON opsrun.{table}"),
        open_engine(url_of(owner, logins, login)) as engine,
    ):
        with pytest.raises(OpenTableError, match=rf"{table} {OPEN} \(extra\)"):
            await require_row_level_security(engine)


@pytest.mark.parametrize(
    "definition",
    [
        "AS RESTRICTIVE USING (true)",
        "TO opsrun_worker USING (true)",
        f"FOR SELECT USING (tenant_id = {IN_SESSION})",
        f"USING (tenant_id = {IN_SESSION} OR {IN_SESSION} = tenant_id)",
        "FOR INSERT WITH CHECK (false)",
    ],
)
async def test_a_policy_that_admits_no_row_for_this_login_is_allowed(
    owner: URL, logins: dict[Login, str], definition: str
) -> None:
    made = f"CREATE POLICY extra ON opsrun.run_item {definition}"
    async with (
        changed(owner, made, "DROP POLICY extra ON opsrun.run_item"),
        open_engine(url_of(owner, logins, Login.API)) as engine,
    ):
        await require_row_level_security(engine)


async def test_all_unprotected_tables_are_reported_at_once(
    owner: URL, logins: dict[Login, str]
) -> None:
    made = "CREATE TABLE opsrun.{0} (tenant_id uuid)"
    async with (
        changed(owner, made.format("one"), "DROP TABLE opsrun.one"),
        changed(owner, made.format("two"), "DROP TABLE opsrun.two"),
        open_engine(url_of(owner, logins, Login.API)) as engine,
    ):
        with pytest.raises(OpenTableError, match=f"one {DISABLED}, two {DISABLED}"):
            await require_row_level_security(engine)


async def test_a_table_without_tenants_needs_no_policy(
    owner: URL, logins: dict[Login, str]
) -> None:
    async with (
        changed(owner, "CREATE TABLE opsrun.holiday (day date)", "DROP TABLE opsrun.holiday"),
        open_engine(url_of(owner, logins, Login.API)) as engine,
    ):
        await require_row_level_security(engine)


@pytest.mark.parametrize("login", Login)
@pytest.mark.parametrize(
    ("made", "granted", "says"),
    [
        ("VIEW", "SELECT", "extra is a view that this login may use with its owner's rights"),
        ("VIEW", "SELECT (id)", "extra is a view"),
        ("VIEW", "DELETE", "extra is a view"),
        ("MATERIALIZED VIEW", "SELECT", "extra is a materialized view that this login may use"),
    ],
)
async def test_a_view_with_its_owners_rights_is_refused(
    owner: URL, logins: dict[Login, str], login: Login, made: str, granted: str, says: str
) -> None:
    create = f"CREATE {made} opsrun.extra AS SELECT id FROM opsrun.operation_run"
    grant, revoke = (
        f"{granted} ON opsrun.extra TO {login}",
        f"{granted} ON opsrun.extra FROM {login}",
    )
    async with (
        changed(owner, create, f"DROP {made} opsrun.extra"),
        open_engine(url_of(owner, logins, login)) as engine,
    ):
        await require_row_level_security(engine)
        async with changed(owner, f"GRANT {grant}", f"REVOKE {revoke}"):
            with pytest.raises(OpenTableError, match=f"in this database: {says}"):
                await require_row_level_security(engine)


@pytest.mark.parametrize(
    "asks", ["security_invoker", "check_option = local, security_invoker = on"]
)
async def test_a_view_with_the_readers_rights_is_allowed(
    owner: URL, logins: dict[Login, str], asks: str
) -> None:
    create = f"CREATE VIEW opsrun.extra WITH ({asks}) AS SELECT id FROM opsrun.operation_run"
    right = "SELECT ON opsrun.extra"
    async with (
        changed(owner, create, "DROP VIEW opsrun.extra"),
        changed(owner, f"GRANT {right} TO PUBLIC", f"REVOKE {right} FROM PUBLIC"),
        open_engine(url_of(owner, logins, Login.API)) as engine,
    ):
        await require_row_level_security(engine)


async def test_a_login_that_may_create_in_the_schema_is_refused(
    owner: URL, logins: dict[Login, str]
) -> None:
    async with (
        changed(
            owner,
            "GRANT CREATE ON SCHEMA opsrun TO PUBLIC",
            "REVOKE CREATE ON SCHEMA opsrun FROM PUBLIC",
        ),
        open_engine(url_of(owner, logins, Login.API)) as engine,
    ):
        with pytest.raises(OpenTableError, match="this login may create in the schema opsrun"):
            await require_row_level_security(engine)
