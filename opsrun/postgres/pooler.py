"""The check that a connection to Postgres keeps one session, however many poolers are between.

We need sessions for prepared statements and for timeouts that we set once per connection. A pooler
such as PgBouncer gives each connection one in its mode `session`; in `transaction` and `statement`
our statements would run in sessions of others, and our timeouts would hold for others.
"""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import asyncpg

from opsrun.settings import SettingsError

CONNECT_SECONDS = 10
# Other clients of the pooler may take a session between two of our looks.
_ROUNDS = 3


async def require_session(arguments: dict[str, Any]) -> bool:
    """Connect with the driver's `arguments`; return whether there is a pooler in between.

    Raises:
        SettingsError: the database cannot be reached, does not let us in, or shares sessions.
    """
    try:
        async with asyncio.timeout(CONNECT_SECONDS), AsyncExitStack() as stack:
            first = await _connect(stack, arguments)
            # A pooler makes a process id of its own up.
            if first.get_server_pid() == await _session(first):
                return False
            shares = await _shares_sessions(first, await _connect(stack, arguments))
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        reason = str(error).partition("\n")[0] or "no answer"
        raise SettingsError(f"OPSRUN_DATABASE_URL: Cannot connect: {reason}.") from error
    if shares:
        raise SettingsError(
            "OPSRUN_DATABASE_URL: A pooler shares the database's sessions between connections."
            " Set its pool_mode to session for this database, or connect to PostgreSQL itself."
        )
    return True


async def _connect(stack: AsyncExitStack, arguments: dict[str, Any]) -> "asyncpg.Connection[Any]":
    # Named statements of other processes may be in a session that is shared.
    connection = await asyncpg.connect(**arguments, statement_cache_size=0)
    stack.callback(connection.terminate)
    return connection


async def _session(connection: "asyncpg.Connection[Any]") -> int:
    """Return the server process that runs a transaction of this connection."""
    async with connection.transaction():
        return await _process(connection)


async def _process(connection: "asyncpg.Connection[Any]") -> int:
    return int(await connection.fetchval("SELECT pg_backend_pid()"))


async def _shares_sessions(
    first: "asyncpg.Connection[Any]", second: "asyncpg.Connection[Any]"
) -> bool:
    for _ in range(_ROUNDS):
        session = await _session(first)
        if session != await _session(first):
            return True
        # Poolers give out the session next that was left last, or the one that was left first.
        async with second.transaction():
            if session == await _process(second) or session != await _session(first):
                return True
    return False
