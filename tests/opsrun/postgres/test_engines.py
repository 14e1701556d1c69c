"""Accepted URLs and logins, and connections that break silently."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from crash.proxy import Proxy
from domain.tenancy.session import DatabaseUnavailableError
from domain.tenancy.transactions import Transactions
from opsrun.dev.embedded import EmbeddedServers
from opsrun.postgres import engines as module
from opsrun.postgres.engines import Login, UnsafeLoginError, open_engine, require_login
from opsrun.postgres.url import parse_url
from opsrun.settings import SettingsError
from tests.databases import PREFIX, new_database

PASSWORD = "hunter2"
SOON = 10.0
BRIEF = 0.2
POOL = 3
REPORTED = 1 + BRIEF + 1
ASK = text("SELECT 1")

# The URL


@pytest.mark.parametrize(
    "scheme", ["postgresql", "postgres", "postgresql+asyncpg", "postgresql+psycopg"]
)
def test_every_postgresql_url_is_converted_for_asyncpg(scheme: str) -> None:
    url = parse_url(f"{scheme}://ada:p%40ss@db.example:6543/ledger?sslmode=require")
    assert url.drivername == "postgresql+asyncpg"
    assert (url.username, url.password, url.host, url.port) == ("ada", "p@ss", "db.example", 6543)
    assert url.database == "ledger"
    assert url.query == {"sslmode": "require"}


@pytest.mark.parametrize(
    "url",
    [
        "",
        "db",
        f"mysql://ada:{PASSWORD}@db/ledger",
        f"https://ada:{PASSWORD}@db/ledger",
        f"postgresql://ada:{PASSWORD}@db:port/ledger",
        f"postgresql//ada:{PASSWORD}@db/ledger",
    ],
)
def test_other_urls_are_refused_with_the_expected_format(url: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse_url(url)
    assert "OPSRUN_DATABASE_URL" in str(refused.value)
    assert "postgresql://login:password@host:port/database" in str(refused.value)
    assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize("option", ["sslmode=sometimes", "options=-csearch_path%3Dx", "timeout=3"])
def test_an_option_that_would_be_ignored_or_crash_is_refused(option: str) -> None:
    with pytest.raises(SettingsError, match=r"OPSRUN_DATABASE_URL.*sslmode.*verify-full"):
        parse_url(f"postgresql://ada:{PASSWORD}@db/ledger?{option}")


# The pool


async def test_a_statement_that_takes_too_long_is_ended(logins: dict[Login, str]) -> None:
    async with (
        open_engine(logins[Login.API], statement_timeout_seconds=1) as engine,
        engine.connect() as connection,
    ):
        with pytest.raises(DBAPIError, match="statement timeout"):
            await connection.execute(text("SELECT pg_sleep(20)"))


async def test_the_pool_is_closed_at_the_end(
    servers: EmbeddedServers, logins: dict[Login, str]
) -> None:
    with pytest.raises(ZeroDivisionError):
        async with open_engine(logins[Login.API]) as engine:
            async with engine.connect() as one, engine.connect() as other:
                backends = [
                    (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
                    for connection in (one, other)
                ]
            raise ZeroDivisionError
    ours = text("SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(:backends)")
    async with open_engine(servers.postgres_url) as admin, admin.connect() as connection:
        for _ in range(100):
            # Within one transaction the view would not change.
            await connection.rollback()
            if (await connection.execute(ours, {"backends": backends})).scalar_one() == 0:
                return
    pytest.fail("A connection of the pool is still there.")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"password": PASSWORD}, "password authentication failed"),
        ({"database": "absent"}, '"absent" does not exist'),
        ({"port": 9}, "OPSRUN_DATABASE_URL: Cannot connect"),
        ({"query": {"sslmode": "require"}}, "SSL"),
    ],
)
async def test_an_unreachable_database_is_reported_with_the_reason(
    logins: dict[Login, str], changes: dict[str, Any], says: str
) -> None:
    url = parse_url(logins[Login.API])
    with pytest.raises(SettingsError) as refused:
        async with open_engine(url.set(**changes)):
            pass
    assert str(refused.value).startswith("OPSRUN_DATABASE_URL: Cannot connect: ")
    assert says in str(refused.value)
    assert url.password is not None
    assert url.password not in str(refused.value)
    assert PASSWORD not in str(refused.value)


# A silent server


@pytest.fixture
async def proxy(logins: dict[Login, str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Proxy]:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", BRIEF)
    async with Proxy() as between:
        between.target = parse_url(logins[Login.API]).port or 0
        yield between


@asynccontextmanager
async def far_engine(
    logins: dict[Login, str], proxy: Proxy, *, statement_timeout_seconds: int = 1
) -> AsyncIterator[AsyncEngine]:
    """A pool of idle connections through the proxy. Using and closing it must be quick."""
    url = parse_url(logins[Login.API]).set(port=proxy.port)
    async with (
        asyncio.timeout(SOON),
        open_engine(
            url, pool_size=POOL, statement_timeout_seconds=statement_timeout_seconds
        ) as engine,
    ):
        async with AsyncExitStack() as stack:
            for _ in range(POOL):
                await stack.enter_async_context(engine.connect())
        yield engine


@asynccontextmanager
async def one_found_out(engine: AsyncEngine) -> AsyncIterator[None]:
    """Check that only one connection of the pool times out and all others work."""
    errors: list[BaseException] = []
    event.listen(engine.sync_engine, "invalidate", lambda *args: errors.append(args[2]))
    yield
    for _ in range(POOL):
        async with Transactions(engine).installation() as session:
            assert await session.scalar(ASK) == 1
    silences = [e for e in errors if isinstance(e.__cause__ or e, TimeoutError)]
    assert len(silences) == 1


async def silent_at_begin(engine: AsyncEngine, proxy: Proxy) -> None:
    async with engine.connect() as connection:
        proxy.fall_silent()
        await connection.execute(ASK)


async def silent_at_a_statement(engine: AsyncEngine, proxy: Proxy) -> None:
    async with Transactions(engine).installation() as session:
        proxy.fall_silent()
        await session.execute(ASK)


async def silent_during_a_statement(engine: AsyncEngine, proxy: Proxy) -> None:
    async with Transactions(engine).installation() as session:
        asyncio.get_running_loop().call_later(BRIEF, proxy.fall_silent)
        await session.execute(text("SELECT pg_sleep(60)"))


async def silent_at_commit(engine: AsyncEngine, proxy: Proxy) -> None:
    async with Transactions(engine).installation():
        proxy.fall_silent()


@pytest.mark.parametrize(
    "meet",
    [silent_at_begin, silent_at_a_statement, silent_during_a_statement, silent_at_commit],
)
async def test_a_silent_server_times_out_one_caller_and_delays_no_other(
    logins: dict[Login, str],
    proxy: Proxy,
    meet: Callable[[AsyncEngine, Proxy], Awaitable[None]],
) -> None:
    async with far_engine(logins, proxy) as engine, one_found_out(engine):
        async with asyncio.timeout(REPORTED):
            with pytest.raises(DatabaseUnavailableError):
                await meet(engine, proxy)


async def test_idle_connections_that_fell_silent_are_replaced(
    logins: dict[Login, str], proxy: Proxy
) -> None:
    async with far_engine(logins, proxy) as engine, one_found_out(engine):
        proxy.fall_silent()


async def test_a_pool_of_silent_connections_closes_at_once(
    logins: dict[Login, str], proxy: Proxy
) -> None:
    async with far_engine(logins, proxy, statement_timeout_seconds=60):
        proxy.fall_silent()


async def test_a_caller_that_leaves_during_a_ping_costs_one_connection_at_most(
    logins: dict[Login, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FRESH_SECONDS", 0.0)
    async with open_engine(logins[Login.API], pool_size=3) as engine:
        before = await processes(engine, 3)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0), Transactions(engine).installation():
                pass
        assert len(before & await processes(engine, 3)) >= 2


async def processes(engine: AsyncEngine, number: int) -> set[int]:
    """Return the server's processes of that many connections that are in use together."""
    async with AsyncExitStack() as stack:
        sessions = [
            await stack.enter_async_context(Transactions(engine).installation())
            for _ in range(number)
        ]
        pid = text("SELECT pg_backend_pid()")
        return {(await session.rows(pid))[0][0] for session in sessions}


async def be_late(engine: AsyncEngine, proxy: Proxy) -> None:
    async with asyncio.timeout(BRIEF):
        await silent_at_a_statement(engine, proxy)


async def be_cancelled(engine: AsyncEngine, proxy: Proxy) -> None:
    waiting = asyncio.create_task(silent_at_a_statement(engine, proxy))
    asyncio.get_running_loop().call_later(BRIEF, waiting.cancel)
    await waiting


async def be_cancelled_elsewhere(engine: AsyncEngine, proxy: Proxy) -> None:
    async with Transactions(engine).installation():
        proxy.fall_silent()
        raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("end", "error"),
    [
        (be_late, TimeoutError),
        (be_cancelled, asyncio.CancelledError),
        (be_cancelled_elsewhere, asyncio.CancelledError),
    ],
)
async def test_a_caller_that_stops_waiting_for_a_silent_server_gets_its_own_timeout(
    logins: dict[Login, str],
    proxy: Proxy,
    end: Callable[[AsyncEngine, Proxy], Awaitable[None]],
    error: type[BaseException],
) -> None:
    async with far_engine(logins, proxy) as engine:
        with pytest.raises(error):
            await end(engine, proxy)


async def test_a_cancelled_statement_is_stopped_on_the_server(
    servers: EmbeddedServers, logins: dict[Login, str]
) -> None:
    stopped = text("SELECT NOT EXISTS (SELECT 1 FROM pg_stat_activity WHERE pid = :pid)")
    async with open_engine(logins[Login.API]) as engine, asyncio.timeout(SOON):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(BRIEF), engine.connect() as connection:
                pid = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
                await connection.execute(text("SELECT pg_sleep(60)"))
        async with open_engine(servers.postgres_url) as admin, admin.connect() as connection:
            while not (await connection.execute(stopped, {"pid": pid})).scalar_one():
                await connection.rollback()


# The login


@pytest.fixture(scope="module")
async def logins_database(servers: EmbeddedServers, logins: dict[Login, str]) -> str:
    """A database with the schema and one table, which is all that the check of logins reads."""
    url = await new_database(servers.postgres_url, "logins")
    async with open_engine(url) as engine, engine.begin() as connection:
        await connection.execute(text("CREATE SCHEMA IF NOT EXISTS opsrun"))
        await connection.execute(text("CREATE TABLE IF NOT EXISTS opsrun.owned ()"))
    return url.render_as_string(hide_password=False)


@asynccontextmanager
async def as_role(admin_url: str, *definition: str) -> AsyncIterator[AsyncEngine]:
    """Connect as a new role, created by statements in which `{role}` is its name."""
    role = f"{PREFIX}{uuid4().hex}"
    async with open_engine(admin_url) as admin:
        async with admin.begin() as connection:
            await connection.execute(text(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'"))
            for statement in definition:
                await connection.execute(text(statement.format(role=role)))
        try:
            async with open_engine(
                parse_url(admin_url).set(username=role, password=PASSWORD)
            ) as engine:
                yield engine
        finally:
            async with admin.begin() as connection:
                await connection.execute(text(f"REASSIGN OWNED BY {role} TO CURRENT_USER"))
                await connection.execute(text(f"DROP OWNED BY {role}"))
                await connection.execute(text(f"DROP ROLE {role}"))
                await connection.execute(text(f"DROP ROLE IF EXISTS {role}_2"))


async def refusal(engine: AsyncEngine, login: Login) -> str:
    with pytest.raises(UnsafeLoginError) as refused:
        await require_login(engine, login)
    return str(refused.value)


@pytest.mark.parametrize("login", Login)
async def test_each_login_is_accepted_only_for_its_own_process(
    logins: dict[Login, str], login: Login
) -> None:
    for owner, url in logins.items():
        async with open_engine(url) as engine:
            if owner is login:
                await require_login(engine, login)
            else:
                assert f"{owner.value!r} lacks the role {login}" in await refusal(engine, login)


async def test_a_login_with_the_granted_role_is_accepted(logins_database: str) -> None:
    async with as_role(logins_database, "GRANT opsrun_api TO {role}") as engine:
        await require_login(engine, Login.API)


@pytest.mark.parametrize(
    ("definition", "says"),
    [
        (["ALTER ROLE {role} SUPERUSER"], "bypasses row level security"),
        (["ALTER ROLE {role} BYPASSRLS"], "bypasses row level security"),
        (["GRANT postgres TO {role}"], "bypasses row level security"),
        (["ALTER ROLE {role} CREATEROLE"], "may create roles or databases, or replicate"),
        (["ALTER ROLE {role} CREATEDB"], "may create roles or databases, or replicate"),
        (["ALTER ROLE {role} REPLICATION"], "may create roles or databases, or replicate"),
        (
            ["CREATE ROLE {role}_2 CREATEROLE", "GRANT {role}_2 TO {role}"],
            "may create roles or databases, or replicate",
        ),
        (["GRANT pg_read_all_data TO {role}"], "has the role pg_read_all_data too"),
        (
            [
                "CREATE ROLE {role}_2 NOINHERIT",
                "GRANT pg_execute_server_program TO {role}_2",
                "GRANT {role}_2 TO {role}",
            ],
            "has the role pg_execute_server_program too",
        ),
        (
            [
                "CREATE ROLE {role}_2",
                "GRANT pg_write_all_data TO {role}_2",
                "GRANT {role}_2 TO {role}",
            ],
            "has the role pg_write_all_data too",
        ),
        (["ALTER SCHEMA opsrun OWNER TO {role}"], "owns the schema or a table in it"),
        (["ALTER TABLE opsrun.owned OWNER TO {role}"], "owns the schema or a table in it"),
        (["GRANT opsrun_maintenance TO {role}"], "has the role opsrun_maintenance too"),
        (["GRANT opsrun_worker TO {role}"], "has the role opsrun_worker too"),
    ],
)
async def test_a_login_with_more_rights_is_refused(
    logins_database: str, definition: list[str], says: str
) -> None:
    async with as_role(logins_database, "GRANT opsrun_api TO {role}", *definition) as engine:
        message = await refusal(engine, Login.API)
    assert says in message
    assert "Give this process a login that has only the role opsrun_api." in message


@pytest.mark.parametrize(
    "definition", [[], ["ALTER ROLE {role} NOINHERIT", "GRANT opsrun_api TO {role}"]]
)
async def test_a_login_with_fewer_rights_is_refused(
    logins_database: str, definition: list[str]
) -> None:
    async with as_role(logins_database, *definition) as engine:
        assert "lacks the role opsrun_api" in await refusal(engine, Login.API)


async def test_an_empty_database_must_be_migrated(servers: EmbeddedServers) -> None:
    async with open_engine(servers.postgres_url) as engine:
        assert "opsrun migrate" in await refusal(engine, Login.API)
