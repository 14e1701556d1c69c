"""Health endpoints: whether the process lives, and whether it can do its work, with the reason."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from opsrun.postgres.engines import PATIENCE_SECONDS, open_engine
from opsrun.settings import Settings
from workers.bounded_threads import BoundedThreads

# Long enough for the pool to find out that its connections are silent, and to replace one.
_TIMEOUT_SECONDS = PATIENCE_SECONDS + 2.0


@dataclass(frozen=True, slots=True)
class Check:
    """Something that may keep the process from its work."""

    ask: Callable[[], Awaitable[None]]
    """Raises what is wrong, if anything is."""
    is_needed: bool = True
    """Without the others the work goes on, only later."""


@asynccontextmanager
async def open_database_check(settings: Settings) -> AsyncIterator[Check]:
    """Ask over a connection of its own: that all others are busy is no reason not to be ready.

    Raises:
        SettingsError: the database cannot be reached, or does not let us in.
    """
    async with open_engine(
        settings.require_database_url(),
        pool_size=1,
        statement_timeout_seconds=settings.statement_timeout_seconds,
    ) as engine:
        yield database_check(engine)


def database_check(engine: AsyncEngine) -> Check:
    """Ask whether statements are answered."""

    async def ask() -> None:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    return Check(ask)


def file_checks(threads: BoundedThreads) -> dict[str, Check]:
    """Ask whether file operations hang: in all threads, or in some, which stops few tenants."""

    async def file_threads() -> None:
        threads.require_threads()

    async def exports() -> None:
        threads.require_none_abandoned()

    return {"file_threads": Check(file_threads), "exports": Check(exports, is_needed=False)}


def health_routes(checks: Mapping[str, Check], stopping: asyncio.Event) -> list[Route]:
    """Return `/healthz`, which answers while the process does, and `/readyz`, which asks around.

    Once `stopping` is set we are not ready, so that nobody new is sent to us.
    """

    async def alive(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def ready(_: Request) -> JSONResponse:
        if stopping.is_set():
            return JSONResponse({"status": "stopping"}, 503)
        outcomes = await asyncio.gather(*(_outcome(check) for check in checks.values()))
        found = dict(zip(checks, outcomes, strict=True))
        is_ready = all(found[name] == "ok" for name, check in checks.items() if check.is_needed)
        return JSONResponse(
            {"status": "ok" if is_ready else "unavailable", "checks": found},
            200 if is_ready else 503,
        )

    return [Route("/healthz", alive), Route("/readyz", ready)]


async def _outcome(check: Check) -> str:
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            await check.ask()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
        return type(error).__name__
    return "ok"
