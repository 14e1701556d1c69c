"""Bring a database to this version's shape (`opsrun migrate`)."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

import migrations as scripts
from domain.tables import SCHEMA

# Any number: it only keeps two migrations of one database from running at once.
_LOCK = 7_202_611


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(scripts.__file__).parent))
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: Connection) -> None:
    command.upgrade(_config(connection), "head")


async def migrate(engine: AsyncEngine) -> None:
    """Apply all missing migrations in one transaction; does nothing when there are none."""
    async with engine.begin() as connection:
        await connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        await connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
        await connection.run_sync(_upgrade)
