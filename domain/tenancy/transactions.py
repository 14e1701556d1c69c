"""The only way to open a transaction."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from time import perf_counter
from typing import Concatenate, ParamSpec, TypeVar
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.concurrency.fair_queue import FairQueue
from domain.tenancy.models import TenantAccess
from domain.tenancy.roles import VIEW
from domain.tenancy.session import InstallationSession, TenantSession

P = ParamSpec("P")
T = TypeVar("T")

# Seconds that a transaction waits for a connection of the pool.
POOL_PATIENCE = 30.0

_ENTER = text(
    "SELECT set_config('opsrun.tenant_id', :tenant_id, true),"
    " set_config('opsrun.user_id', :user_id, true)"
)
_SNAPSHOT = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")

# SQLSTATEs of temporary failures: connection failures, idle transaction timeouts, refused logins,
# serialization failures and deadlocks, a lack of files, disk, memory or connections (but not 53400,
# a limit that the same statement exceeds again), lock and statement timeouts, starting up or
# shutting down, system errors of the server.
_OUTAGES = (
    *("08", "25P03", "28", "40", "53000", "53100", "53200", "53300"),
    *("55P03", "57014", "57P", "58"),
)


class DatabaseUnavailableError(Exception):
    """The database could not be reached, or the connection broke; nothing was committed.

    One exception: if the connection broke during COMMIT, the transaction may be committed. Every
    write of the ledger can therefore be repeated safely.
    """


def _is_outage(error: DBAPIError) -> bool:
    state = str(getattr(error.orig, "sqlstate", None))
    return error.connection_invalidated or state.startswith(_OUTAGES)


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
        self._connections = FairQueue(size, per_key=max(1, size - max(1, size // 3)))
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
        """Run one query of a repository in a transaction for it alone.

        Raises:
            ForbiddenError: the role does not have VIEW.
        """
        async with self.member(access, VIEW) as session:
            return await query(session, *args, **kwargs)

    @asynccontextmanager
    async def tenant(
        self, tenant_id: UUID, user_id: UUID | None = None, *, snapshot: bool = False
    ) -> AsyncIterator[TenantSession]:
        """Open a transaction in a tenant; a `snapshot` sees one moment and cannot write."""
        async with self._open(tenant_id, user_id, snapshot=snapshot) as connection:
            yield TenantSession(connection, tenant_id, user_id)

    @asynccontextmanager
    async def installation(self, user_id: UUID | None = None) -> AsyncIterator[InstallationSession]:
        """Open a transaction in no tenant: see `InstallationSession`."""
        async with self._open(None, user_id) as connection:
            yield InstallationSession(connection)

    @asynccontextmanager
    async def _open(
        self, tenant_id: UUID | None, user_id: UUID | None, *, snapshot: bool = False
    ) -> AsyncIterator[AsyncConnection]:
        """Commit at the end of the block; roll back on an exception.

        Raises:
            PoolBusyError: all connections of the pool were in use for `POOL_PATIENCE` seconds.
            DatabaseUnavailableError: the connection could not be made or kept.
        """
        connection: AsyncConnection | None = None
        try:
            async with self._place(user_id or tenant_id), self._engine.connect() as connection:
                try:
                    if snapshot:
                        await connection.execute(_SNAPSHOT)
                    await connection.execute(
                        _ENTER, {"tenant_id": str(tenant_id or ""), "user_id": str(user_id or "")}
                    )
                    yield connection
                    await connection.commit()
                except BaseException:
                    # If the rollback fails too, keep the first exception: nothing is committed.
                    with suppress(DBAPIError, DatabaseUnavailableError):
                        await connection.rollback()
                    raise
        except DBAPIError as error:
            # Without a connection, the caller's statements cannot be the cause.
            if connection is None or _is_outage(error):
                raise DatabaseUnavailableError(str(error.orig)) from error
            raise
        except (OSError, SQLAlchemyError) as error:
            # With a connection, a TimeoutError or the like comes from the caller's block.
            if connection is None or isinstance(error, ConnectionError):
                raise DatabaseUnavailableError(str(error)) from error
            raise

    @asynccontextmanager
    async def _place(self, key: UUID | None) -> AsyncIterator[None]:
        began = perf_counter()
        try:
            async with asyncio.timeout(POOL_PATIENCE) as patience:
                async with self._connections.place(key):
                    patience.reschedule(None)
                    if self._on_wait is not None:
                        self._on_wait(perf_counter() - began)
                    yield
        except TimeoutError as error:
            if not patience.expired():
                raise
            raise PoolBusyError(
                f"All {self._connections.places} database connections of this process were in use"
                f" for {POOL_PATIENCE:.0f} s"
            ) from error
