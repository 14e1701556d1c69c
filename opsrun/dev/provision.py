"""Prepares a database for `opsrun dev`: creates it, migrates it, and enables the three logins."""

import hashlib
import hmac

from sqlalchemy import URL, text

from opsrun.postgres.engines import Login, UnsafeLoginError, open_engine
from opsrun.postgres.migrations import migrate
from opsrun.postgres.url import parse_url
from opsrun.settings import SettingsError

DATABASE = "opsrun"


async def create_database(admin_url: str, name: str = DATABASE) -> URL:
    """Create the database if it does not exist; return its URL for the same login."""
    async with open_engine(admin_url) as engine, engine.connect() as connection:
        autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
        existing = await autocommit.execute(
            text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": name}
        )
        if existing.one_or_none() is None:
            await autocommit.execute(text(f'CREATE DATABASE "{name}"'))
    return parse_url(admin_url).set(database=name)


async def provision(database: URL, secret: bytes) -> dict[Login, str]:
    """Migrate the database and return the URL of each login.

    The passwords are derived from `secret`, so the next start changes nothing.
    """
    async with open_engine(database) as engine:
        await migrate(engine)
        async with engine.begin() as connection:
            for login in Login:
                # Utility statements have no parameters; a hex digest needs no escaping.
                password = f"PASSWORD '{_password(secret, login)}'"
                await connection.execute(text(f"ALTER ROLE {login} LOGIN {password}"))
    return {
        login: url.set(drivername="postgresql").render_as_string(hide_password=False)
        for login, url in _urls(database, secret).items()
    }


async def require_own_logins(database: URL, secret: bytes) -> None:
    """Check that no other installation uses the server's logins, because `provision` changes them.

    Raises:
        UnsafeLoginError: the password of a login is not derived from `secret`.
    """
    urls = _urls(database, secret)
    async with open_engine(database) as engine, engine.connect() as connection:
        query = text("SELECT rolname FROM pg_roles WHERE rolcanlogin AND rolname = ANY(:logins)")
        names = await connection.execute(query, {"logins": [*urls]})
        logins = [Login(name) for name in names.scalars()]
    for login in logins:
        try:
            async with open_engine(urls[login]):
                pass
        except SettingsError as error:
            raise UnsafeLoginError(
                f"The login {login} of OPSRUN_DATABASE_URL is used by another installation, and"
                " `opsrun dev` would change its password. Unset the variable to use the embedded"
                f" database, or release the login with `ALTER ROLE {login} NOLOGIN`."
            ) from error


def _urls(database: URL, secret: bytes) -> dict[Login, URL]:
    return {
        login: database.set(username=login.value, password=_password(secret, login))
        for login in Login
    }


def _password(secret: bytes, login: Login) -> str:
    return hmac.new(secret, login.encode(), hashlib.sha256).hexdigest()
