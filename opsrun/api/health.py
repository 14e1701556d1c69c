"""What a process depends on, and how it checks that."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from opsrun.postgres.engines import open_engine
from opsrun.settings import Settings
from workers.bounded_threads import BoundedThreads


@dataclass(frozen=True, slots=True)
class Check:
    """A dependency of the process."""

    probe: Callable[[], Awaitable[None] | None]
    """Raises an error if the dependency does not work."""
    is_needed: bool = True
    """Whether readiness depends on it; if not, its failure only delays work."""


@asynccontextmanager
async def open_database_check(settings: Settings) -> AsyncIterator[Check]:
    """Open a check with a separate connection, because a process with a busy pool is ready.

    Raises:
        SettingsError: the database cannot be reached, or refuses the login.
    """
    async with open_engine(
        settings.require_database_url(),
        pool_size=1,
        statement_timeout_seconds=settings.statement_timeout_seconds,
    ) as engine:
        yield database_check(engine)


def database_check(engine: AsyncEngine) -> Check:
    """Return a check that executes a statement."""

    async def probe() -> None:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    return Check(probe)


def file_checks(threads: BoundedThreads) -> dict[str, Check]:
    """Return the checks for file operations that hang.

    If they hang in all threads, the process is not ready. If they hang in some, only the runs of
    those tenants wait.
    """
    return {
        "file_threads": Check(threads.require_threads),
        "exports": Check(threads.require_none_abandoned, is_needed=False),
    }
