"""The check that a connection keeps its Postgres session, even through a connection pooler.

Prepared statements, and timeouts that are set once per connection, need a session. A pooler such as
PgBouncer keeps one for each connection in the pool mode `session`. In the modes `transaction` and
`statement`, statements would run in other clients' sessions, and timeouts would affect them.
"""

import asyncio
from contextlib import AsyncExitStack
from typing import Any, TypeAlias

import asyncpg

from opsrun.settings import SettingsError

CONNECT_SECONDS = 10
# Between two probes, other clients of the pooler may take a session.
_ROUNDS = 3

_Connection: TypeAlias = "asyncpg.Connection[Any]"


async def require_session(arguments: dict[str, Any]) -> bool:
    """Connect with the driver's `arguments`; return whether they lead to a pooler.

    Raises:
        SettingsError: the database cannot be reached, refuses the login, or shares sessions.
    """
    try:
        async with asyncio.timeout(CONNECT_SECONDS), AsyncExitStack() as stack:
            first = await _connect(stack, arguments)
            # A pooler invents a process id.
            if first.get_server_pid() == await _session(first):
                return False
            shares = await _shares_sessions(first, await _connect(stack, arguments))
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        reason = str(error).partition("\n")[0] or "no answer"
        # In this mode, PgBouncer refuses BEGIN.
        shares = "statement pooling mode" in reason
        if not shares:
            raise SettingsError(f"OPSRUN_DATABASE_URL: Cannot connect: {reason}.") from error
    if shares:
        raise SettingsError(
            "OPSRUN_DATABASE_URL: A pooler shares the database's sessions between connections."
            " Set its pool_mode to session for this database, or connect to PostgreSQL itself."
        )
    return True


async def _connect(stack: AsyncExitStack, arguments: dict[str, Any]) -> _Connection:
    # A shared session may hold other processes' named statements.
    connection = await asyncpg.connect(**arguments, statement_cache_size=0)
    stack.callback(connection.terminate)
    return connection


async def _session(connection: _Connection) -> int:
    """Return the server process that runs a transaction of this connection."""
    async with connection.transaction():
        return await _process(connection)


async def _process(connection: _Connection) -> int:
    return int(await connection.fetchval("SELECT pg_backend_pid()"))


async def _shares_sessions(first: _Connection, second: _Connection) -> bool:
    for _ in range(_ROUNDS):
        session = await _session(first)
        if session != await _session(first):
            return True
        # Poolers hand out the session that was released last, or the one released first.
        async with second.transaction():
            if session == await _process(second) or session != await _session(first):
                return True
    return False
