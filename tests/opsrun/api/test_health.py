"""Health endpoints show whether a process is alive and ready, with reasons."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import create_async_engine
from starlette.applications import Starlette

from crash.proxy import Proxy
from domain.tenancy.transactions import Transactions
from opsrun.api.asgi import checks
from opsrun.api.health import database_check
from opsrun.api.health_routes import _TIMEOUT_SECONDS, health_routes
from opsrun.auth import issuer_keys
from opsrun.auth.tokens import LocalTokens
from opsrun.dev.embedded import EmbeddedServers
from opsrun.postgres import engines as database
from opsrun.postgres.engines import Login, open_engine
from opsrun.postgres.url import parse_url
from opsrun.resources import Resources, pool_wait_histogram
from opsrun.valkey.wakeups import RedisWakeUps
from tests.conftest import settings_for
from tests.gql.api import running_api
from tests.opsrun.auth.issuer import AUDIENCE, ISSUER, Issuer, serving
from tests.opsrun.commands import until
from tests.valkey import Valkey
from tests.world import LOCAL_KEY

HEALTHY = {"status": "ok", "checks": {"database": "ok", "redis": "ok"}}


async def answer(resources: Resources, path: str, *, is_stopping: bool = False) -> tuple[int, Any]:
    stopping = asyncio.Event()
    if is_stopping:
        stopping.set()
    local = LocalTokens(LOCAL_KEY)
    all_checks = checks(database_check(resources.engine), resources, local)
    transport = httpx.ASGITransport(Starlette(routes=health_routes(all_checks, stopping)))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        response = await client.get(path)
    return response.status_code, response.json()


@asynccontextmanager
async def on_database(url: str, wakeups: RedisWakeUps, **changes: Any) -> AsyncIterator[Resources]:
    """Open resources without checking first that the database is reachable."""
    engine = create_async_engine(parse_url(url).set(**changes))
    try:
        yield Resources(engine, Transactions(engine), wakeups, pool_wait_histogram())
    finally:
        await engine.dispose()


@pytest.fixture
def api(resources: dict[Login, Resources]) -> Resources:
    return resources[Login.API]


async def test_a_healthy_process_is_ready(api: Resources) -> None:
    assert await answer(api, "/healthz") == (200, {"status": "ok"})
    assert await answer(api, "/readyz") == (200, HEALTHY)


async def test_a_stopping_process_is_alive_but_not_ready(api: Resources) -> None:
    assert await answer(api, "/healthz", is_stopping=True) == (200, {"status": "ok"})
    assert await answer(api, "/readyz", is_stopping=True) == (503, {"status": "stopping"})


async def test_without_the_database_a_process_is_alive_but_not_ready(
    api: Resources, logins: dict[Login, str]
) -> None:
    async with on_database(logins[Login.API], api.wakeups, port=9) as resources:
        assert await answer(resources, "/healthz") == (200, {"status": "ok"})
        assert await answer(resources, "/readyz") == (
            503,
            {
                "status": "unavailable",
                "checks": {"database": "ConnectionRefusedError", "redis": "ok"},
            },
        )


async def test_the_reason_contains_no_secret(api: Resources, logins: dict[Login, str]) -> None:
    async with on_database(logins[Login.API], api.wakeups, password="hunter2") as resources:
        status, body = await answer(resources, "/readyz")
    assert status == 503
    assert body["checks"]["database"] != "ok"
    assert "hunter2" not in str(body)
    assert "opsrun_api" not in str(body)


async def test_without_redis_an_api_is_ready_and_reports_it(
    valkey: Valkey, logins: dict[Login, str]
) -> None:
    async with (
        RedisWakeUps(valkey.url) as wakeups,
        on_database(logins[Login.API], wakeups) as resources,
    ):
        assert await answer(resources, "/readyz") == (200, HEALTHY)
        await valkey.kill()
        status, body = await answer(resources, "/readyz")
        assert (status, body["status"], body["checks"]["database"]) == (200, "ok", "ok")
        assert body["checks"]["redis"] in ("ConnectionError", "TimeoutError")
        await valkey.start()
        assert await answer(resources, "/readyz") == (200, HEALTHY)


async def test_a_check_that_hangs_counts_as_failed(
    api: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opsrun.api.health_routes._TIMEOUT_SECONDS", 0.05)
    engine = api.engine
    # All connections of the pool are in use, so the check waits for one.
    connections = [await engine.connect() for _ in range(10)]
    try:
        status, body = await answer(api, "/readyz")
    finally:
        for connection in connections:
            await connection.close()
    assert (status, body["checks"]["database"]) == (503, "TimeoutError")
    assert await answer(api, "/readyz") == (200, HEALTHY)


async def test_an_api_with_a_busy_pool_is_ready(
    servers: EmbeddedServers, logins: dict[Login, str], tmp_path: Path
) -> None:
    url = logins[Login.API]
    settings = settings_for(url, servers.redis_url, tmp_path, database_pool_size=2)
    async with running_api(settings) as busy, AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(busy.resources.engine.connect())
        response = await busy.http.get("/readyz")
    assert (response.status_code, response.json()) == (200, HEALTHY)


async def test_without_the_issuers_keys_an_api_is_ready_and_reports_it(
    servers: EmbeddedServers,
    logins: dict[Login, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(issuer_keys, "PAUSE_SECONDS", 0.0)
    issuer = Issuer()
    issuer.answer = (503, b"")
    with serving(issuer):
        trusted = {"oidc_issuer": ISSUER, "oidc_audience": AUDIENCE, "oidc_jwks_url": issuer.url}
        url = logins[Login.API]
        settings = settings_for(url, servers.redis_url, tmp_path, local_key=None, **trusted)
        async with running_api(settings) as api:

            async def shows(issuer_state: str) -> bool:
                response = await api.http.get("/readyz")
                body = response.json()
                assert (response.status_code, body["status"]) == (200, "ok")
                state: str = body["checks"]["issuer"]
                assert issuer.url not in str(body)
                return state == issuer_state

            assert await shows("ValueError")
            issuer.answer = None
            await until(lambda: shows("ok"))


async def test_silent_idle_connections_are_replaced_and_the_api_is_ready(
    api: Resources, logins: dict[Login, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The pool must notice the silence first, so the check waits longer.
    assert _TIMEOUT_SECONDS > database.PATIENCE_SECONDS
    monkeypatch.setattr(database, "PATIENCE_SECONDS", 0.1)
    async with Proxy() as proxy:
        proxy.target = parse_url(logins[Login.API]).port or 0
        url = parse_url(logins[Login.API]).set(port=proxy.port)
        async with open_engine(url, pool_size=3, statement_timeout_seconds=1) as engine:
            far = Resources(engine, Transactions(engine), api.wakeups, api.pool_wait)
            assert await answer(far, "/readyz") == (200, HEALTHY)
            proxy.fall_silent()
            assert await answer(far, "/readyz") == (200, HEALTHY)
