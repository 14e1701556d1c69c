"""A transaction has one tenant and user, and leaves neither on its connection."""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from uuid import UUID, uuid4

import pytest
from asyncpg import IntegrityConstraintViolationError, InternalClientError, PostgresError
from sqlalchemy import event, text
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from domain.errors import ForbiddenError
from domain.tenancy import transactions
from domain.tenancy.roles import CHANGE_SETTINGS, VIEW, TenantRole
from domain.tenancy.session import AnyRow, DatabaseUnavailableError, Session, TenantSession
from domain.tenancy.transactions import PoolBusyError, Transactions
from opsrun.dev.embedded import EmbeddedServers
from opsrun.postgres.engines import Login, open_engine
from tests.ledger import count_rows
from tests.statements import recorded_queries
from tests.world import World

SOON = 10.0
COUNT_RUNS = text("SELECT count(*) FROM opsrun.operation_run")
RETENTION = text("UPDATE opsrun.tenant SET retention_days = 7")


@pytest.fixture
async def engine(logins: dict[Login, str]) -> AsyncIterator[AsyncEngine]:
    """A pool of one connection, which every transaction shares."""
    async with open_engine(logins[Login.API], pool_size=1) as opened:
        yield opened


async def end_well(session: Session) -> None:
    """Run a statement and end."""
    await session.execute(COUNT_RUNS)


async def end_in_an_error(session: Session) -> None:
    """Run a statement that fails."""
    await session.execute(text("SELECT 1 / 0"))


async def end_in_python_error(_: Session) -> None:
    """Raise outside the database."""
    raise ZeroDivisionError


async def end_cancelled(session: Session) -> None:
    """Cancel a statement."""
    async with asyncio.timeout(0.05):
        await session.execute(text("SELECT pg_sleep(60)"))


@pytest.mark.parametrize(
    ("end", "error"),
    [
        (end_well, None),
        (end_in_an_error, PostgresError),
        (end_in_python_error, ZeroDivisionError),
        (end_cancelled, TimeoutError),
    ],
)
async def test_the_next_user_of_the_connection_inherits_nothing(
    world: World,
    engine: AsyncEngine,
    end: Callable[[Session], Awaitable[None]],
    error: type[Exception] | None,
) -> None:
    await world.start()
    caught: Exception | None = None
    try:
        async with Transactions(engine).tenant(world.tenant_id, world.tenant_id) as session:
            assert await session.scalar(COUNT_RUNS) == 1
            await end(session)
    except Exception as raised:  # noqa: BLE001 - checked below
        caught = raised
    assert isinstance(caught, error) if error else caught is None

    async with engine.connect() as connection:
        for name in ("tenant_id", "user_id"):
            setting = text(f"SELECT current_setting('opsrun.{name}', true)")
            assert (await connection.execute(setting)).scalar() in ("", None)
        assert (await connection.execute(COUNT_RUNS)).scalar() == 0
    async with Transactions(engine).installation() as session:
        assert await session.scalar(COUNT_RUNS) == 0


async def count_runs(session: Session) -> int:
    """Count the visible runs."""
    return await session.scalar(COUNT_RUNS)


async def fail(session: Session) -> int:
    """Run a query that fails after its first row."""
    return await session.scalar(text("SELECT 1 / (count(*) - 1) FROM opsrun.operation_run"))


async def hang(session: Session) -> int:
    """Cancel a query."""
    async with asyncio.timeout(0.05):
        return await session.scalar(text("SELECT count(*) FROM (SELECT pg_sleep(60)) AS nap"))


@pytest.mark.parametrize(
    ("query", "error"), [(count_runs, None), (fail, PostgresError), (hang, TimeoutError)]
)
async def test_a_read_takes_one_message_and_leaves_nothing_on_its_connection(
    world: World,
    engine: AsyncEngine,
    query: Callable[[Session], Awaitable[int]],
    error: type[Exception] | None,
) -> None:
    await world.start()
    access, transactions = await world.access(), Transactions(engine)
    with recorded_queries(engine) as queries, pytest.raises(error) if error else nullcontext():
        assert await transactions.read(query, access) == 1
    # The driver reports a query in the next turn of the event loop.
    await asyncio.sleep(0)
    assert len(queries) == 1
    async with engine.connect() as connection:
        for name in ("tenant_id", "user_id"):
            setting = text(f"SELECT current_setting('opsrun.{name}', true)")
            assert (await connection.execute(setting)).scalar() in ("", None)
        assert (await connection.execute(COUNT_RUNS)).scalar() == 0


@pytest.mark.parametrize("plans", ["force_custom_plan", "force_generic_plan"])
async def test_a_read_sees_its_tenant_alone_with_every_plan(
    neighbours: tuple[World, World], engine: AsyncEngine, plans: str
) -> None:
    async with engine.connect() as connection:
        await connection.execute(text(f"SET plan_cache_mode = {plans}"))
        await connection.commit()
    transactions = Transactions(engine)
    for world in (*neighbours, *neighbours):
        access = await world.access()
        assert (
            await transactions.read(count_runs, access)
            == (await count_rows(world))["operation_run"]
        )
        rows = await transactions.read(tenants_of_runs, access)
        assert {row.tenant_id for row in rows} == {world.tenant_id}


async def tenants_of_runs(session: Session) -> Sequence[AnyRow]:
    """Read the tenant of every visible run."""
    return await session.rows(text("SELECT tenant_id FROM opsrun.operation_run"))


async def test_a_read_cannot_write(world: World, engine: AsyncEngine) -> None:
    async def write(session: Session) -> int:
        return await session.execute(RETENTION)

    with pytest.raises(PostgresError, match="syntax error"):
        await Transactions(engine).read(write, await world.access())


async def test_a_transaction_is_atomic(world: World, engine: AsyncEngine) -> None:
    transactions = Transactions(engine)
    with pytest.raises(ZeroDivisionError):
        async with transactions.tenant(world.tenant_id) as session:
            await session.execute(RETENTION)
            raise ZeroDivisionError
    assert (await world.access()).tenant.retention_days == 90
    async with transactions.tenant(world.tenant_id) as session:
        await session.execute(RETENTION)
    assert (await world.access()).tenant.retention_days == 7


async def test_who_catches_an_error_of_a_statement_learns_that_nothing_is_written(
    world: World, engine: AsyncEngine
) -> None:
    with pytest.raises(RuntimeError, match="nothing was written"):
        async with Transactions(engine).tenant(world.tenant_id) as session:
            await session.execute(RETENTION)
            with pytest.raises(PostgresError):
                await session.execute(text("SELECT 1 / 0"))
    assert (await world.access()).tenant.retention_days == 90


async def test_a_snapshot_is_one_moment_and_read_only(world: World) -> None:
    transactions = world.resources[Login.API].transactions
    async with transactions.tenant(world.tenant_id, snapshot=True) as session:
        assert await session.scalar(COUNT_RUNS) == 0
        await world.start()
        assert await session.scalar(COUNT_RUNS) == 0
    with pytest.raises(PostgresError, match="read-only transaction"):
        async with transactions.tenant(world.tenant_id, snapshot=True) as session:
            await session.execute(RETENTION)
    async with transactions.tenant(world.tenant_id) as session:
        await session.execute(RETENTION)


async def test_a_member_without_the_permission_does_not_reach_the_database(
    world: World,
) -> None:
    reader = await world.access(TenantRole.READONLY)
    nowhere = create_async_engine("postgresql+asyncpg://user@127.0.0.1:1/nothing")
    with pytest.raises(ForbiddenError):
        async with Transactions(nowhere).member(reader, CHANGE_SETTINGS):
            pass
    with pytest.raises(DatabaseUnavailableError):
        async with Transactions(nowhere).member(reader, VIEW):
            pass


async def test_a_members_transaction_has_their_tenant_and_user(world: World) -> None:
    access = await world.access()
    async with world.resources[Login.API].transactions.member(access, VIEW) as session:
        who = text("SELECT opsrun.current_tenant_id(), opsrun.current_user_id()")
        assert tuple(await session.one(who)) == (access.tenant_id, access.user_id)


# Outages and other errors


@asynccontextmanager
async def refusing_server(state: str, message: str) -> AsyncIterator[str]:
    """Serve a Postgres that refuses every login with this error, and yield its URL."""
    fields = f"SFATAL\0VFATAL\0C{state}\0M{message}\0\0".encode()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            if data.endswith(struct.pack("!i", 80877103)):
                writer.write(b"N")
                continue
            writer.write(b"E" + struct.pack("!i", len(fields) + 4) + fields)
            writer.close()
            await writer.wait_closed()
            return
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"postgresql+asyncpg://user:password@127.0.0.1:{port}/nothing"


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("57P03", "the database system is starting up"),
        ("57P03", "the database system is shutting down"),
        ("53300", "sorry, too many clients already"),
        ("28P01", "password authentication failed"),
        ("28000", "role is not permitted to log in"),
        ("3D000", "database does not exist"),
        ("42501", "permission denied for database"),
        ("55000", "database is not currently accepting connections"),
    ],
)
async def test_a_database_that_refuses_logins_is_unavailable(state: str, message: str) -> None:
    async with refusing_server(state, message) as url:
        engine = create_async_engine(url)
        with pytest.raises(DatabaseUnavailableError, match=message):
            async with Transactions(engine).installation():
                pass


@pytest.mark.parametrize("busy", [True, False])
async def test_a_connection_that_breaks_is_an_outage(
    world: World, engine: AsyncEngine, servers: EmbeddedServers, busy: bool
) -> None:
    terminated = asyncio.Event()
    pid: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def work() -> None:
        async with Transactions(engine).tenant(world.tenant_id) as session:
            await session.execute(RETENTION)
            pid.set_result(await session.scalar(text("SELECT pg_backend_pid()")))
            if busy:
                await session.execute(text("SELECT pg_sleep(60)"))
            await terminated.wait()

    task = asyncio.create_task(work())
    async with open_engine(servers.postgres_url) as admin, admin.connect() as connection:
        # The second argument is how long to wait for the backend to end, in milliseconds.
        terminate = text("SELECT pg_terminate_backend(:pid, 10000)")
        assert (await connection.execute(terminate, {"pid": await pid})).scalar()
    terminated.set()
    with pytest.raises(DatabaseUnavailableError):
        await task
    # Nothing was committed, and the pool replaces the connection.
    async with Transactions(engine).tenant(world.tenant_id) as session:
        days = text("SELECT retention_days FROM opsrun.tenant")
        assert await session.scalar(days) == 90


async def test_a_connection_that_the_server_closes_after_its_use_is_an_outage_at_most(
    engine: AsyncEngine, servers: EmbeddedServers
) -> None:
    transactions = Transactions(engine)
    async with open_engine(servers.postgres_url) as admin, admin.connect() as connection:
        for _ in range(5):
            async with transactions.installation() as session:
                pid: int = await session.scalar(text("SELECT pg_backend_pid()"))
            terminate = text("SELECT pg_terminate_backend(:pid, 10000)")
            await connection.execute(terminate, {"pid": pid})
            with suppress(DatabaseUnavailableError):
                async with transactions.installation():
                    pass
            async with transactions.installation() as session:
                assert await session.scalar(text("SELECT pg_backend_pid()")) != pid


async def test_an_internal_error_of_the_driver_is_an_outage(engine: AsyncEngine) -> None:
    with pytest.raises(DatabaseUnavailableError, match="cannot switch"):
        async with Transactions(engine).installation():
            raise InternalClientError("cannot switch to state 12")
    async with Transactions(engine).installation() as session:
        assert await session.scalar(text("SELECT 1")) == 1


async def test_connections_that_break_before_their_first_use_are_an_outage(
    engine: AsyncEngine,
) -> None:
    @event.listens_for(engine.sync_engine, "checkout")
    def lose(*_: object) -> None:
        raise DisconnectionError

    with pytest.raises(DatabaseUnavailableError):
        async with Transactions(engine).installation():
            pass


@pytest.mark.parametrize("error", [TimeoutError, FileNotFoundError, PermissionError])
async def test_an_error_of_the_caller_is_not_an_outage(
    engine: AsyncEngine, error: type[OSError]
) -> None:
    with pytest.raises(error):
        async with Transactions(engine).installation():
            raise error


async def raise_in_server(engine: AsyncEngine, state: str) -> None:
    """Make the server raise an error with this SQLSTATE."""
    async with Transactions(engine).installation() as session:
        await session.execute(
            text(f"DO $$ BEGIN RAISE EXCEPTION 'full' USING ERRCODE = '{state}'; END $$")
        )


@pytest.mark.parametrize(
    "state", ["53000", "53100", "53200", "53300", "58000", "58030", "58P01", "28000", "57P01"]
)
async def test_a_server_without_resources_is_an_outage(engine: AsyncEngine, state: str) -> None:
    with pytest.raises(DatabaseUnavailableError, match="full"):
        await raise_in_server(engine, state)


@pytest.mark.parametrize("state", ["53400", "42501", "3D000", "55000", "54000", "XX001"])
async def test_an_error_of_the_statement_is_not_an_outage(engine: AsyncEngine, state: str) -> None:
    with pytest.raises(PostgresError, match="full"):
        await raise_in_server(engine, state)


async def test_a_constraint_violation_is_not_an_outage(world: World) -> None:
    with pytest.raises(IntegrityConstraintViolationError):
        async with world.resources[Login.MAINTENANCE].transactions.installation() as session:
            await session.execute(
                text("UPDATE opsrun.tenant SET retention_days = 0 WHERE id = :id"),
                {"id": world.tenant_id},
            )


async def test_a_busy_pool_is_not_an_outage(
    engine: AsyncEngine, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "POOL_PATIENCE", 0.05)
    waited: list[float] = []
    held = Transactions(engine, on_wait=waited.append)
    async with held.tenant(world.tenant_id):
        with pytest.raises(PoolBusyError, match="All 1 database connections of this process"):
            async with held.tenant(world.tenant_id):
                pass
    async with held.tenant(world.tenant_id):
        pass
    assert [seconds < 1 for seconds in waited] == [True, True]


async def test_a_timeout_of_the_caller_is_not_the_pools(engine: AsyncEngine, world: World) -> None:
    with pytest.raises(TimeoutError):
        async with Transactions(engine).tenant(world.tenant_id), asyncio.timeout(0.01):
            await asyncio.Event().wait()


async def test_one_users_many_requests_leave_the_pool_to_others(
    logins: dict[Login, str], world: World
) -> None:
    crowd, other = uuid4(), uuid4()
    async with open_engine(logins[Login.API], pool_size=3) as three:
        pool = Transactions(three)

        async def hold(done: asyncio.Event) -> None:
            async with pool.tenant(world.tenant_id, crowd):
                await done.wait()

        done = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(20):
                tasks.create_task(hold(done))
            await asyncio.sleep(0)
            async with asyncio.timeout(SOON), pool.tenant(world.tenant_id, other) as session:
                await session.execute(COUNT_RUNS)
            done.set()


async def test_changes_of_a_tenant_take_turns_and_leave_the_pool_to_others(
    logins: dict[Login, str], neighbours: tuple[World, World]
) -> None:
    first, other = neighbours
    async with open_engine(logins[Login.WORKER], pool_size=3) as three:
        pool, go_on, other_began = Transactions(three), asyncio.Event(), asyncio.Event()
        began: list[UUID] = []

        async def change(session: TenantSession) -> None:
            began.append(session.tenant_id)
            if session.tenant_id == other.tenant_id:
                other_began.set()
            await go_on.wait()

        async with asyncio.timeout(SOON), asyncio.TaskGroup() as tasks:
            for _ in range(5):
                tasks.create_task(pool.record(first.tenant_id, change))
            tasks.create_task(pool.record(other.tenant_id, change))
            await other_began.wait()
            assert began.count(first.tenant_id) == 1
            go_on.set()
        assert len(began) == 6


async def test_a_change_that_hangs_delays_others_of_its_tenant_only_briefly(
    logins: dict[Login, str], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "TURN_PATIENCE", 0.05)

    async def hang(_: Session) -> None:
        await asyncio.Event().wait()

    async with open_engine(logins[Login.WORKER], pool_size=3) as three:
        pool = Transactions(three)
        hanging = asyncio.create_task(pool.record(world.tenant_id, hang))
        await asyncio.sleep(0)
        async with asyncio.timeout(SOON):
            await pool.record(world.tenant_id, end_well)
            hanging.cancel()
            await asyncio.wait([hanging])
            # The turn was given back, so that no one waits any more.
            monkeypatch.setattr(transactions, "TURN_PATIENCE", 60.0)
            await pool.record(world.tenant_id, end_well)
