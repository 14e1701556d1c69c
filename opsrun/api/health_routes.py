"""Health endpoints: `/healthz` for liveness, `/readyz` for readiness, with reasons."""

import asyncio
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from opsrun.api.health import Check
from opsrun.postgres.engines import PATIENCE_SECONDS

# Long enough for the pool to detect that its connections are silent, and to replace one.
_TIMEOUT_SECONDS = PATIENCE_SECONDS + 2.0


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
