"""Bring a database to this version's shape (`opsrun migrate`)."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

import migrations as scripts
from domain.tables import SCHEMA
from opsrun.postgres.engines import UnsafeLoginError
from opsrun.settings import SettingsError

OLDEST_POSTGRES = 15
_INSUFFICIENT_PRIVILEGE = "42501"

# Any number: it only keeps two migrations of one database from running at once.
_LOCK = 7_202_611


def migrations_config(connection: Connection) -> Config:
    """Return alembic's configuration for the migrations of a database."""
    config = Config()
    config.set_main_option("script_location", str(Path(scripts.__file__).parent))
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: Connection) -> None:
    command.upgrade(migrations_config(connection), "head")


async def migrate(engine: AsyncEngine) -> None:
    """Apply all missing migrations in one transaction; does nothing when there are none.

    Raises:
        SettingsError: the server is too old.
        UnsafeLoginError: the login may not do it.
    """
    try:
        async with engine.begin() as connection:
            await _require_version(connection)
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
            await connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
            await connection.run_sync(_upgrade)
    except ProgrammingError as error:
        if getattr(error.orig, "sqlstate", None) != _INSUFFICIENT_PRIVILEGE:
            raise
        raise UnsafeLoginError(
            f"The database login may not do this: {error.orig}."
            " Migrate with one that owns the database and may create roles."
        ) from error


async def _require_version(connection: AsyncConnection) -> None:
    answer = await connection.execute(text("SHOW server_version_num"))
    version = int(answer.scalar_one()) // 10_000
    if version < OLDEST_POSTGRES:
        raise SettingsError(
            f"OPSRUN_DATABASE_URL: This is PostgreSQL {version}."
            f" It takes: PostgreSQL {OLDEST_POSTGRES} or newer."
        )
