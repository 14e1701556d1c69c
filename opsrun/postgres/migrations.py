"""Migrates a database to this version (`opsrun migrate`)."""

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

# An arbitrary number, which prevents two migrations of a database at the same time.
_LOCK = 7_202_611


def migrations_config(connection: Connection) -> Config:
    """Return Alembic's configuration for the database of `connection`."""
    config = Config()
    config.set_main_option("script_location", str(Path(scripts.__file__).parent))
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: Connection) -> None:
    command.upgrade(migrations_config(connection), "head")


async def migrate(engine: AsyncEngine) -> None:
    """Apply all pending migrations in one transaction.

    Raises:
        SettingsError: the server is too old.
        UnsafeLoginError: the login lacks a privilege.
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
            f"The database login lacks a privilege: {error.orig}."
            " Migrate with a login that owns the database and may create roles."
        ) from error


async def _require_version(connection: AsyncConnection) -> None:
    answer = await connection.execute(text("SHOW server_version_num"))
    version = int(answer.scalar_one()) // 10_000
    if version < OLDEST_POSTGRES:
        raise SettingsError(
            f"OPSRUN_DATABASE_URL: This is PostgreSQL {version}."
            f" Expected: PostgreSQL {OLDEST_POSTGRES} or newer."
        )
