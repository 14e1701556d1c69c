"""The only way to open a transaction."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from time import monotonic, perf_counter
from typing import Concatenate, ParamSpec, TypeVar
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.concurrency.fair_queue import FairQueue
from domain.tenancy.models import TenantAccess
from domain.tenancy.roles import VIEW
from domain.tenancy.session import (
    DatabaseUnavailableError,
    Driver,
    InstallationSession,
    ReplicaRead,
    TenantRead,
    TenantSession,
    UserRead,
    in_time,
)
from domain.tenancy.statements import TenantVersion

P = ParamSpec("P")
T = TypeVar("T")

# Seconds that a transaction waits for a connection of the pool.
POOL_PATIENCE = 30.0
# Seconds that a change waits for earlier ones of its tenant; then it goes on beside them.
TURN_PATIENCE = 1.0
# Seconds that a rollback may take.
_ROLLBACK_PATIENCE = 3.0
# After these, a connection must not be used again.
_BROKEN = (DatabaseUnavailableError, asyncpg.InternalClientError)
# In the pool's notes about a connection: when a transaction on it last ended well.
WORKED_AT = "opsrun_worked_at"

# SQLSTATEs of temporary failures: connection failures, idle transaction timeouts, refused logins,
# serialization failures and deadlocks, a lack of files, disk, memory or connections (but not 53400,
# a limit that the same statement exceeds again), lock and statement timeouts, starting up or
# shutting down, system errors of the server.
_OUTAGES = (
    *("08", "25P03", "28", "40", "53000", "53100", "53200", "53300"),
    *("55P03", "57014", "57P", "58"),
)


class PoolBusyError(DatabaseUnavailableError):
    """All connections of this process are in use; the database may be healthy."""


class Transactions:
    """Opens transactions that row level security confines to one tenant and user.

        async with transactions.member(access, VIEW) as session:
            runs = await reading.page(session, run_filter, Keyset(25))

    Users take turns at the pool's connections, and so do tenants whose work has no user. No user
    or tenant holds more than two thirds of the pool.
    """

    def __init__(
        self, engine: AsyncEngine, *, on_wait: Callable[[float], None] | None = None
    ) -> None:
        """Use the engine's pool; `on_wait` receives each transaction's wait in seconds."""
        size = engine.pool.size()  # type: ignore[attr-defined]  # every bounded pool has one
        self._engine = engine
        self._places = FairQueue(size, per_key=max(1, size - max(1, size // 3)))
        self._turns = FairQueue(size, per_key=1)
        self._on_wait = on_wait

    @asynccontextmanager
    async def member(
        self, access: TenantAccess, permission: str, *, snapshot: bool = False
    ) -> AsyncIterator[TenantSession]:
        """Open a transaction as a member who has the permission.

        Raises:
            ForbiddenError: the role does not have it; nothing was read.
        """
        access.require(permission)
        async with self.tenant(access.tenant_id, access.user_id, snapshot=snapshot) as session:
            yield session

    async def read(
        self,
        query: Callable[Concatenate[TenantSession, P], Awaitable[T]],
        access: TenantAccess,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run a query of a repository for a member, each statement in one round trip.

        Several statements see several moments; a query that needs one moment, or that writes,
        needs a transaction (`member`).

        Raises:
            ForbiddenError: the role does not have VIEW.
        """
        access.require(VIEW)
        async with self.reading(access.tenant_id, access.user_id) as session:
            return await query(session, *args, **kwargs)

    @asynccontextmanager
    async def reading(
        self, tenant_id: UUID, user_id: UUID | None = None
    ) -> AsyncIterator[TenantSession]:
        """Open a session for reads in a tenant, each statement in one round trip; see `read`."""
        async with self._connection(user_id or tenant_id) as driver:
            yield TenantRead(driver, tenant_id, user_id)

    @asynccontextmanager
    async def reading_at(
        self, version: TenantVersion, access: TenantAccess
    ) -> AsyncIterator[TenantSession]:
        """Open a session for reads on a replica that has this version of the tenant."""
        async with self._connection(access.user_id) as driver:
            yield ReplicaRead(driver, access.tenant_id, access.user_id, version=version)

    async def write(
        self,
        tenant_id: UUID,
        change: Callable[[TenantSession], Awaitable[T]],
        user_id: UUID | None = None,
    ) -> T:
        """Run a change of one statement that enters the tenant, and commit it, in one round trip.

        Row level security hides every row from any other statement.

        Raises:
            RefusedError: the statement refused the change.
        """
        async with self._connection(user_id or tenant_id) as driver:
            return await change(TenantSession(driver, tenant_id, user_id))

    async def record(
        self,
        tenant_id: UUID,
        change: Callable[[TenantSession], Awaitable[T]],
        user_id: UUID | None = None,
    ) -> T:
        """Run a change that adds an event to the tenant's feed; see `write`.

        The changes of a tenant take turns in this process. In the database they would wait for
        each other too, at the feed's counter, but there each wait costs CPU and a connection.
        """
        async with self._turn(tenant_id):
            return await self.write(tenant_id, change, user_id)

    @asynccontextmanager
    async def _turn(self, tenant_id: UUID) -> AsyncIterator[None]:
        """Wait until no other change of the tenant runs, but not for one that hangs."""
        try:
            async with asyncio.timeout(TURN_PATIENCE):
                await self._turns.take(tenant_id)
        except TimeoutError:
            yield
            return
        try:
            yield
        finally:
            self._turns.give_back(tenant_id)

    async def read_own(
        self,
        query: Callable[[InstallationSession, UUID], Awaitable[T]],
        user_id: UUID,
    ) -> T:
        """Run a query on what a user sees in no tenant, each statement in one round trip."""
        async with self._connection(user_id) as driver:
            return await query(UserRead(driver, user_id), user_id)

    @asynccontextmanager
    async def tenant(
        self, tenant_id: UUID, user_id: UUID | None = None, *, snapshot: bool = False
    ) -> AsyncIterator[TenantSession]:
        """Open a transaction in a tenant; a `snapshot` sees one moment and cannot write."""
        async with self._transaction(tenant_id, user_id, snapshot=snapshot) as driver:
            yield TenantSession(driver, tenant_id, user_id)

    @asynccontextmanager
    async def installation(self, user_id: UUID | None = None) -> AsyncIterator[InstallationSession]:
        """Open a transaction in no tenant: see `InstallationSession`."""
        async with self._transaction(None, user_id) as driver:
            yield InstallationSession(driver)

    @asynccontextmanager
    async def _transaction(
        self, tenant_id: UUID | None, user_id: UUID | None, *, snapshot: bool = False
    ) -> AsyncIterator[Driver]:
        """Commit at the end of the block; on an exception, `_connection` rolls back."""
        level = "ISOLATION LEVEL REPEATABLE READ READ ONLY" if snapshot else ""
        # One message for all three. A UUID has no character that could end the literal.
        begin = (
            f"BEGIN {level}; SET LOCAL opsrun.tenant_id = '{tenant_id or ''}';"
            f" SET LOCAL opsrun.user_id = '{user_id or ''}'"
        )
        async with self._connection(user_id or tenant_id) as driver:
            try:
                await in_time(driver.execute(begin))
                yield driver
                if await in_time(driver.execute("COMMIT")) != "COMMIT":
                    raise RuntimeError("An error of a statement was caught; nothing was written.")
            except DatabaseUnavailableError:
                raise
            except BaseException:
                await _roll_back(driver)
                raise

    @asynccontextmanager
    async def _connection(self, key: UUID | None) -> AsyncIterator[Driver]:
        """Lend a connection that has no transaction, and expect it back without one.

        Raises:
            PoolBusyError: all connections of the pool were in use for `POOL_PATIENCE` seconds.
            DatabaseUnavailableError: the connection could not be made or kept.
        """
        await self._take_place(key)
        try:
            try:
                lent = await self._engine.raw_connection()
            except Exception as error:
                raise DatabaseUnavailableError(str(error)) from error
            driver: Driver = lent.driver_connection
            try:
                yield driver
                lent.info[WORKED_AT] = monotonic()
            except BaseException as error:
                is_outage = _is_outage(error, driver)
                if isinstance(error, _BROKEN) or driver.is_closed():
                    lent.invalidate(error)
                if is_outage:
                    raise DatabaseUnavailableError(str(error)) from error
                raise
            finally:
                lent.close()
        finally:
            self._places.give_back(key)

    async def _take_place(self, key: UUID | None) -> None:
        began = perf_counter()
        if not self._places.take_free(key):
            try:
                async with asyncio.timeout(POOL_PATIENCE):
                    await self._places.take(key)
            except TimeoutError as error:
                raise PoolBusyError(
                    f"All {self._places.places} database connections of this process were in use"
                    f" for {POOL_PATIENCE:.0f} s"
                ) from error
        if self._on_wait is not None:
            self._on_wait(perf_counter() - began)


def _is_outage(error: BaseException, driver: Driver) -> bool:
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate).startswith(_OUTAGES)
    # A TimeoutError, or another error of the system, comes from the caller's block. The driver has
    # an internal error if the server is closing the connection.
    return isinstance(error, ConnectionError | asyncpg.InternalClientError) or (
        isinstance(error, asyncpg.InterfaceError) and driver.is_closed()
    )


def is_conflict(error: BaseException) -> bool:
    """Return whether a replica ended only the statement, which stood in the way of its replay."""
    return isinstance(error.__cause__, asyncpg.SerializationError)


def is_refusal(error: BaseException) -> bool:
    """Return whether the server refused a statement."""
    return isinstance(error, asyncpg.PostgresError)


async def _roll_back(driver: Driver) -> None:
    """End a transaction in whatever state it is; close a connection that does not answer."""
    is_over = False
    try:
        # The exception that ended the block is the one to report.
        with suppress(
            asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError
        ):
            await driver.execute("ROLLBACK", timeout=_ROLLBACK_PATIENCE)
            is_over = True
    finally:
        if not is_over:
            driver.terminate()
