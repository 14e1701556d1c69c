"""Create and drop the tests' databases on a server that may hold others."""

from contextlib import suppress
from uuid import uuid4

from sqlalchemy import URL, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from opsrun.dev.provision import create_database, require_own_logins
from opsrun.postgres.engines import Login, UnsafeLoginError, open_engine
from opsrun.postgres.url import parse_url

# Roles belong to the server, so they have the same passwords for all test databases.
SECRET = b"tests"
# The prefix of every database and role that this run of the tests creates.
PREFIX = f"opsrun_tests_{uuid4().hex[:12]}_"


def url_of(server_url: str, name: str) -> str:
    """Return the superuser's URL of the tests' database `name`."""
    url = parse_url(server_url).set(drivername="postgresql", database=PREFIX + name)
    return url.render_as_string(hide_password=False)


async def new_database(server_url: str, name: str) -> URL:
    """Create the tests' database `name` if this run has not done so; return its URL."""
    return await create_database(server_url, PREFIX + name)


async def require_no_installation(server_url: str) -> None:
    """Refuse a server whose roles are in use, because the tests would change their passwords.

    Raises:
        UnsafeLoginError: one of our roles exists, and the tests did not create it.
    """
    await require_own_logins(parse_url(server_url), SECRET)
    # A role without a login may be granted to an installation's own logins.
    query = text("SELECT rolname FROM pg_roles WHERE NOT rolcanlogin AND rolname = ANY(:roles)")
    async with open_engine(server_url) as engine, engine.connect() as connection:
        taken = (await connection.execute(query, {"roles": [*Login]})).scalars().all()
    if taken:
        raise UnsafeLoginError(
            f"The server has the role {', '.join(taken)} already, which the tests would use."
            " Use a server without Opsrun."
        )


async def drop_all(server_url: str) -> None:
    """Drop the databases and roles of this run, except for roles that others still use."""
    async with open_engine(server_url) as engine, engine.connect() as connection:
        autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
        for name in await _names(autocommit, "SELECT datname FROM pg_database"):
            await autocommit.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
        for name in [*Login, *await _names(autocommit, "SELECT rolname FROM pg_roles")]:
            with suppress(DBAPIError):
                await autocommit.execute(text(f'DROP ROLE IF EXISTS "{name}"'))


async def _names(connection: AsyncConnection, query: str) -> list[str]:
    names = await connection.execute(text(query))
    return [name for name in names.scalars() if name.startswith(PREFIX)]
