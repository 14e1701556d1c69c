"""Opens the database for an operator's commands."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from domain.tenancy.transactions import Transactions
from opsrun.postgres.engines import Login, open_engine, require_login
from opsrun.settings import Settings


@asynccontextmanager
async def open_administration(settings: Settings) -> AsyncIterator[Transactions]:
    """Open the database under the maintenance login.

    Raises:
        SettingsError, UnsafeLoginError.
    """
    async with open_engine(settings.require_database_url()) as engine:
        await require_login(engine, Login.MAINTENANCE)
        yield Transactions(engine)
