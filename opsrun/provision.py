"""Make a database ready for `opsrun dev`: create, migrate, and let the three roles log in."""

import hashlib
import hmac

from sqlalchemy import URL, text
from sqlalchemy.ext.asyncio import AsyncEngine

from opsrun.database import Login, open_engine, parse_url
from opsrun.migrations import migrate

DATABASE = "opsrun"


async def create_database(admin_url: str, name: str = DATABASE) -> URL:
    """Create the database if it does not exist; return its URL for the same login."""
    async with open_engine(admin_url) as engine, engine.connect() as connection:
        autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
        found = await autocommit.execute(
            text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": name}
        )
        if found.one_or_none() is None:
            await autocommit.execute(text(f'CREATE DATABASE "{name}"'))
    return parse_url(admin_url).set(database=name)


async def provision(database: URL, secret: bytes) -> dict[Login, str]:
    """Migrate and return the URL of each login.

    The passwords follow from `secret`, so that a second start changes nothing.
    """
    async with open_engine(database) as engine:
        await migrate(engine)
        passwords = {login: _password(secret, login) for login in Login}
        await _let_in(engine, passwords)
    return {
        login: database.set(
            drivername="postgresql", username=login.value, password=password
        ).render_as_string(hide_password=False)
        for login, password in passwords.items()
    }


async def _let_in(engine: AsyncEngine, passwords: dict[Login, str]) -> None:
    async with engine.begin() as connection:
        for login, password in passwords.items():
            # Utility statements take no parameters; a hex digest needs no quoting.
            await connection.execute(text(f"ALTER ROLE {login} LOGIN PASSWORD '{password}'"))


def _password(secret: bytes, login: Login) -> str:
    return hmac.new(secret, login.encode(), hashlib.sha256).hexdigest()
