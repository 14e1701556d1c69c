"""Database engines, and the check that a login has only the rights that it needs (T3)."""

from asyncio import CancelledError
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from enum import StrEnum
from functools import partial
from time import monotonic
from typing import Any

from sqlalchemy import URL, Row, event, text
from sqlalchemy.engine import AdaptedConnection, ExceptionContext
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from domain.tenancy.session import DatabaseUnavailableError
from domain.tenancy.transactions import WORKED_AT
from opsrun.errors import OperatorError
from opsrun.postgres.pooler import CONNECT_SECONDS, require_session
from opsrun.postgres.url import connect_arguments, parse_url
from opsrun.settings import SettingsError

# Seconds that the server may take for trivial work.
PATIENCE_SECONDS = 3.0
# Seconds for which a connection that worked is trusted to work again.
FRESH_SECONDS = 1.0
_CONNECTED_AT = "opsrun_connected_at"

# A process that hangs or has lost its machine must not keep its locks. One of them, the tenant's
# feed counter, would block every user in the tenant.
_ABANDONED_SESSION_SETTINGS = {
    "idle_in_transaction_session_timeout": "5s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}


class Login(StrEnum):
    """The database roles that the migrations create, one per kind of process."""

    API = "opsrun_api"
    WORKER = "opsrun_worker"
    MAINTENANCE = "opsrun_maintenance"


class UnsafeLoginError(OperatorError):
    """The database login has more or fewer rights than this process needs."""


@asynccontextmanager
async def open_engine(
    url: str | URL, *, pool_size: int = 5, statement_timeout_seconds: int | None = None
) -> AsyncIterator[AsyncEngine]:
    """Open a pool and its first connection; close the pool at the end.

    With a statement timeout, statements and commits raise DatabaseUnavailableError if the server
    does not answer within that time plus `PATIENCE_SECONDS`.

    Raises:
        SettingsError: the database cannot be reached, or refuses the login.
    """
    url = parse_url(url) if isinstance(url, str) else url
    server_settings = {"application_name": "opsrun", "timezone": "UTC"}
    options = connect_arguments(url) | {
        "server_settings": server_settings,
        "timeout": CONNECT_SECONDS,
    }
    is_pooled = await require_session(options)
    settings: dict[str, str] = {}
    if statement_timeout_seconds is not None:
        settings = {
            "statement_timeout": f"{statement_timeout_seconds}s",
            **_ABANDONED_SESSION_SETTINGS,
        }
        # Later than the server's timeout, which gives a better error and keeps the connection.
        options["command_timeout"] = statement_timeout_seconds + PATIENCE_SECONDS
    if not is_pooled:
        server_settings |= settings
    engine = create_async_engine(
        url.set(query={}),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        # The connection that worked last has its statements prepared, and needs no ping.
        pool_use_lifo=True,
        connect_args=options,
        hide_parameters=True,
    )
    if is_pooled and settings:
        event.listen(engine.sync_engine, "connect", partial(_set_session, settings))
    pings = _Pings()
    event.listen(engine.sync_engine, "checkout", pings.check)
    event.listen(engine.sync_engine, "connect", pings.connected)
    event.listen(engine.sync_engine, "invalidate", pings.failed)
    event.listen(engine.sync_engine, "handle_error", _map_driver_timeout)
    event.listen(engine.sync_engine, "invalidate", _terminate_connection)
    event.listen(engine.sync_engine, "close", _terminate_connection)
    try:
        await _connect(engine)
        yield engine
    finally:
        await engine.dispose()


async def _connect(engine: AsyncEngine) -> None:
    """Open the first connection, on which SQLAlchemy detects the server's features."""
    try:
        async with engine.connect():
            pass
    except (DBAPIError, OSError) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        raise SettingsError(
            f"OPSRUN_DATABASE_URL: Cannot connect: {cause or 'no answer'}."
        ) from error


def _set_session(settings: Mapping[str, str], connection: AdaptedConnection, *_: object) -> None:
    """Set what a pooler does not accept as a parameter of a new connection."""
    statements = "; ".join(f"SET {name} = '{value}'" for name, value in settings.items())
    try:
        connection.run_async(lambda driver: driver.execute(statements, timeout=CONNECT_SECONDS))
    except Exception as error:
        connection.driver_connection.terminate()
        raise DatabaseUnavailableError(str(error)) from error


class _Pings:
    """Replaces connections that stayed half-open: the server is gone, but sent no FIN or RST.

    A connection that worked a moment ago is not asked.
    """

    def __init__(self) -> None:
        self._failed_at = float("-inf")

    def connected(self, _: object, record: ConnectionPoolEntry) -> None:
        """Note the age of a connection."""
        record.info[_CONNECTED_AT] = monotonic()

    def failed(
        self, connection: AdaptedConnection, record: ConnectionPoolEntry, error: object = None
    ) -> None:
        """Note that a connection has failed, so that no caller tries an older one.

        If its caller has left while it was asked, it may have worked.
        """
        del connection, record
        if not isinstance(error, CancelledError):
            self._failed_at = monotonic()

    def check(self, connection: AdaptedConnection, record: ConnectionPoolEntry, *_: object) -> None:
        """Replace a connection that does not answer, and all connections that are as old.

        SQLAlchemy's ping would wait three times, each time as long as a statement may take.
        """
        if connection.driver_connection.is_closed() or (
            record.info[_CONNECTED_AT] < self._failed_at
        ):
            raise InvalidatePoolError
        if record.info.pop(WORKED_AT, float("-inf")) > monotonic() - FRESH_SECONDS:
            return
        try:
            connection.run_async(
                lambda driver: driver.execute("SELECT 1", timeout=PATIENCE_SECONDS)
            )
        except Exception as error:
            raise InvalidatePoolError from error


def _map_driver_timeout(context: ExceptionContext) -> None:
    """Map the driver's timeout. A caller's timeout arrives as a cancellation instead."""
    if isinstance(context.original_exception, TimeoutError):
        context.invalidate_pool_on_disconnect = True
        raise DatabaseUnavailableError("The database did not answer in time.")


def _terminate_connection(
    connection: AdaptedConnection, record: ConnectionPoolEntry, error: BaseException | None = None
) -> None:
    """Terminate an idle or silent connection, because a regular close would wait for the server.

    The driver handles a cancelled statement itself: it asks the server to stop it.
    """
    if not record.in_use or isinstance(error, (TimeoutError, InvalidatePoolError)):
        connection.driver_connection.terminate()


# With USAGE, a login has the role's rights at once; with MEMBER, only after SET ROLE.
_LOGIN_RIGHTS = text(
    "SELECT me.rolname AS name,"
    " pg_has_role(me.oid, n.nspowner, 'MEMBER') OR EXISTS (SELECT FROM pg_class c"
    " WHERE c.relnamespace = n.oid AND pg_has_role(me.oid, c.relowner, 'MEMBER')) AS owns,"
    " bool_or(role.rolsuper OR role.rolbypassrls) AS bypasses,"
    " bool_or(role.rolcreaterole OR role.rolcreatedb OR role.rolreplication) AS administers,"
    " array_agg(role.rolname::text) FILTER (WHERE pg_has_role(me.oid, role.oid, 'USAGE')) AS uses,"
    " array_agg(role.rolname::text) AS may_become"
    " FROM pg_roles me CROSS JOIN pg_namespace n"
    " JOIN pg_roles role ON pg_has_role(me.oid, role.oid, 'MEMBER')"
    " WHERE me.rolname = session_user AND n.nspname = 'opsrun'"
    " GROUP BY me.oid, me.rolname, n.oid, n.nspowner"
)


async def require_login(engine: AsyncEngine, login: Login) -> None:
    """Check that the session's user has this role, and no other rights.

    Raises:
        UnsafeLoginError: the message explains the problem and what to do.
    """
    async with engine.connect() as connection:
        rights = (await connection.execute(_LOGIN_RIGHTS)).one_or_none()
    if rights is None:
        raise UnsafeLoginError("The database is empty. Run `opsrun migrate` first.")
    if fault := _fault(rights, login):
        raise UnsafeLoginError(
            f"The database login {rights.name!r} {fault}."
            f" Give this process a login that has only the role {login}."
        )


def _fault(rights: Row[*tuple[Any, ...]], login: Login) -> str | None:
    if rights.bypasses:
        return "bypasses row level security"
    if rights.owns:
        return "owns the schema or a table in it"
    if rights.administers:
        return "may create roles or databases, or replicate"
    if login not in rights.uses:
        return f"lacks the role {login}"
    # Some predefined roles read or write everything, or run programs.
    predefined = {role for role in rights.may_become if role.startswith("pg_")}
    if others := sorted({*Login} - {login} & {*rights.may_become} | predefined):
        return f"has the role {' and '.join(others)} too"
    return None
