"""One way to open a transaction: as somebody, in one tenant, on one short-lived connection."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from time import perf_counter
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.concurrency.fair_queue import FairQueue
from domain.tenancy.models import TenantAccess

# Seconds that a transaction waits for one of the pool's connections.
POOL_PATIENCE = 30.0

_ENTER = text(
    "SELECT set_config('opsrun.tenant_id', :tenant_id, true),"
    " set_config('opsrun.user_id', :user_id, true)"
)
_SNAPSHOT = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")

# SQLSTATEs of what passes and leaves nothing behind: connection failures, an idle transaction
# that was ended, refused logins, serialization failures and deadlocks, a lack of files, disk,
# memory or connections (but not 53400, a limit that the same statement exceeds again), a lock or
# an answer that did not come in time, starting up or shutting down, errors of the server's system.
_OUTAGES = (
    *("08", "25P03", "28", "40", "53000", "53100", "53200", "53300"),
    *("55P03", "57014", "57P", "58"),
)


class DatabaseUnavailableError(Exception):
    """The database could not be reached, or went away in the middle; nothing was committed.

    The one exception: if the connection broke while COMMIT was answered, it may
    have been. Every write of the ledger can therefore be repeated.
    """


def _is_outage(error: DBAPIError) -> bool:
    state = str(getattr(error.orig, "sqlstate", None))
    return error.connection_invalidated or state.startswith(_OUTAGES)


class PoolBusyError(DatabaseUnavailableError):
    """The database may be well: it is this process whose connections are all in use."""


class Transactions:
    """Opens transactions that row level security confines to one tenant and user.

    They take turns: each user has a line of their own for the pool's connections, and so has
    each tenant for what no user asked for. No line holds more than two thirds of the pool.
    """

    def __init__(
        self, engine: AsyncEngine, *, on_wait: Callable[[float], None] | None = None
    ) -> None:
        """Use the engine's pool; `on_wait` receives the seconds that each transaction waited."""
        size = engine.pool.size()  # type: ignore[attr-defined]  # of every pool that has a bound
        self._engine = engine
        self._connections = FairQueue(size, per_key=max(1, size - max(1, size // 3)))
        self._on_wait = on_wait

    @asynccontextmanager
    async def open(
        self, tenant_id: UUID | None, user_id: UUID | None = None, *, snapshot: bool = False
    ) -> AsyncIterator[AsyncConnection]:
        """Commit on a clean exit, roll back on an exception.

        With `snapshot` all statements see one moment and none may write. Without
        a tenant only the maintenance login, or nobody's rows, are visible.

        Raises:
            PoolBusyError: all connections of the pool were in use for `POOL_PATIENCE`.
            DatabaseUnavailableError: the connection could not be made or kept.
        """
        connection: AsyncConnection | None = None
        try:
            async with (
                self._place(user_id or tenant_id),
                self._engine.connect() as connection,
            ):
                try:
                    if snapshot:
                        await connection.execute(_SNAPSHOT)
                    await connection.execute(
                        _ENTER,
                        {"tenant_id": str(tenant_id or ""), "user_id": str(user_id or "")},
                    )
                    yield connection
                    await connection.commit()
                except BaseException:
                    # If that fails, all is undone too, and a cancellation must stay one.
                    with suppress(DBAPIError, DatabaseUnavailableError):
                        await connection.rollback()
                    raise
        except DBAPIError as error:
            # Whatever kept us from connecting is not about what the caller asks.
            if connection is None or _is_outage(error):
                raise DatabaseUnavailableError(str(error.orig)) from error
            raise
        except (OSError, SQLAlchemyError) as error:
            # Once connected, a TimeoutError or the like came from what the caller did.
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

    @asynccontextmanager
    async def member(
        self, access: TenantAccess, permission: str, *, snapshot: bool = False
    ) -> AsyncIterator[AsyncConnection]:
        """Open a transaction as a member who has the permission.

        Raises:
            ForbiddenError: the role does not cover it; nothing was read.
        """
        access.require(permission)
        async with self.open(access.tenant_id, access.user_id, snapshot=snapshot) as connection:
            yield connection
