"""Engines for each login, and the check that the login is no more than it should be (T3)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Any

from sqlalchemy import URL, make_url, text
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from opsrun.settings import SettingsError


class Login(StrEnum):
    """The database roles that the migrations create, one per kind of process."""

    API = "opsrun_api"
    WORKER = "opsrun_worker"
    MAINTENANCE = "opsrun_maintenance"


class UnsafeLoginError(Exception):
    """The database login may see or do more, or less, than this process should."""


def parse_url(url: str) -> URL:
    """Return the URL for our driver; SettingsError unless it is PostgreSQL's."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    if parsed is None or parsed.get_backend_name() not in ("postgresql", "postgres"):
        raise SettingsError(
            "OPSRUN_DATABASE_URL is no PostgreSQL URL."
            " It reads postgresql://login:password@host:port/database."
        )
    return parsed.set(drivername="postgresql+asyncpg")


@asynccontextmanager
async def open_engine(
    url: str | URL, *, pool_size: int = 5, statement_timeout_seconds: int | None = None
) -> AsyncIterator[AsyncEngine]:
    """Open a pool of connections and close it at the end."""
    server_settings = {"application_name": "opsrun", "timezone": "UTC"}
    if statement_timeout_seconds is not None:
        server_settings["statement_timeout"] = f"{statement_timeout_seconds}s"
    options: dict[str, Any] = {"server_settings": server_settings, "timeout": 10}
    engine = create_async_engine(
        parse_url(url) if isinstance(url, str) else url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        pool_pre_ping=True,
        connect_args=options,
        hide_parameters=True,
    )
    try:
        yield engine
    finally:
        await engine.dispose()


_WHO = text(
    "SELECT r.rolname, r.rolsuper, r.rolbypassrls,"
    " pg_has_role(r.oid, n.nspowner, 'MEMBER') AS owner,"
    " pg_has_role(r.oid, :login, 'MEMBER') AS member"
    " FROM pg_roles r LEFT JOIN pg_namespace n ON n.nspname = 'opsrun'"
    " WHERE r.rolname = session_user"
)


async def require_login(engine: AsyncEngine, login: Login) -> None:
    """Refuse to go on unless the session's user is this role, or one granted it, and no more.

    Raises:
        UnsafeLoginError: with what is wrong and what to do.
    """
    async with engine.connect() as connection:
        schema = await connection.execute(text("SELECT to_regnamespace('opsrun')::text"))
        if schema.scalar_one() is None:
            raise UnsafeLoginError("The database is empty. Run `opsrun migrate` first.")
        who = (await connection.execute(_WHO, {"login": login.value})).one()
    mend = f"Give this process a login that has the role {login} and nothing more."
    if who.rolsuper or who.rolbypassrls or who.owner:
        what = "owns the schema" if not (who.rolsuper or who.rolbypassrls) else "bypasses"
        raise UnsafeLoginError(
            f"The database login {who.rolname!r} {what}"
            f"{' row level security' if what == 'bypasses' else ''}. {mend}"
        )
    if not who.member:
        raise UnsafeLoginError(f"The database login {who.rolname!r} lacks the role. {mend}")
