"""Does an operator's work in the database, for a command."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from domain.tenancy.transactions import Transactions
from opsrun.commands import run_command
from opsrun.postgres.engines import Login, open_engine, require_login
from opsrun.settings import Settings

T = TypeVar("T")


@asynccontextmanager
async def open_administration(settings: Settings) -> AsyncIterator[Transactions]:
    """Open the database with the maintenance login.

    Raises:
        SettingsError, UnsafeLoginError.
    """
    async with open_engine(settings.require_database_url()) as engine:
        await require_login(engine, Login.MAINTENANCE)
        yield Transactions(engine)


def administer(settings: Settings, work: Callable[[Transactions], Coroutine[Any, Any, T]]) -> T:
    """Call a use case with the maintenance login, and return its result.

    Example:
        for tenant in administer(settings, administration.tenants):
            click.echo(tenant.slug)

    Raises:
        ClickException: an error that the operator can fix.
    """

    async def run() -> T:
        async with open_administration(settings) as transactions:
            return await work(transactions)

    return run_command(run())
