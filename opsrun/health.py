"""Health endpoints: whether the process lives, and whether it can serve, with the reason."""

import asyncio
from collections.abc import Awaitable, Callable

from sqlalchemy import text
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from opsrun.resources import Resources

_TIMEOUT_SECONDS = 2.0


def health_routes(resources: Resources, stopping: asyncio.Event) -> list[Route]:
    """Return `/healthz`, which answers while the process does, and `/readyz`, which asks around.

    Once `stopping` is set we are not ready, so that nobody new is sent to us.
    """

    async def database() -> None:
        async with resources.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    checks: dict[str, Callable[[], Awaitable[None]]] = {
        "database": database,
        "redis": resources.wakeups.ping,
    }

    async def alive(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def ready(_: Request) -> JSONResponse:
        if stopping.is_set():
            return JSONResponse({"status": "stopping"}, 503)
        outcomes = await asyncio.gather(*(_outcome(check) for check in checks.values()))
        found = dict(zip(checks, outcomes, strict=True))
        # Redis is only a wake-up: without it the API serves on, a little later.
        status = 200 if found["database"] == "ok" else 503
        return JSONResponse(
            {"status": "ok" if status == 200 else "unavailable", "checks": found}, status
        )

    return [Route("/healthz", alive), Route("/readyz", ready)]


async def _outcome(check: Callable[[], Awaitable[None]]) -> str:
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            await check()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
        return type(error).__name__
    return "ok"
