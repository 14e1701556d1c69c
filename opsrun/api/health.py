"""Health endpoints: `/healthz` for liveness, `/readyz` for readiness, with reasons."""

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

# Long enough for the pool to detect that its connections are silent, and to replace one.
_TIMEOUT_SECONDS = PATIENCE_SECONDS + 2.0


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


def health_routes(checks: Mapping[str, Check], stopping: asyncio.Event) -> list[Route]:
    """Return `/healthz`, which succeeds while the process lives, and `/readyz`, with `checks`.

    Once `stopping` is set, the process is not ready, so a load balancer sends no new clients.
    """

    async def alive(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def ready(_: Request) -> JSONResponse:
        if stopping.is_set():
            return JSONResponse({"status": "stopping"}, 503)
        outcomes = await asyncio.gather(*(_outcome(check) for check in checks.values()))
        results = dict(zip(checks, outcomes, strict=True))
        is_ready = all(results[name] == "ok" for name, check in checks.items() if check.is_needed)
        return JSONResponse(
            {"status": "ok" if is_ready else "unavailable", "checks": results},
            200 if is_ready else 503,
        )

    return [Route("/healthz", alive), Route("/readyz", ready)]


async def _outcome(check: Check) -> str:
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            if (pending := check.probe()) is not None:
                await pending
    except Exception as error:  # noqa: BLE001 - any error is a result
        return type(error).__name__
    return "ok"
