"""One API for all its tests."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest

from gql import audit, context
from gql.live import following
from opsrun.dev.embedded import EmbeddedServers
from opsrun.postgres.engines import Login
from opsrun.resources import Resources
from tests.client import TRANSPORTS
from tests.conftest import settings_for
from tests.gql.api import RunningApi, running_api
from tests.gql.furnished import Furnished, furnish
from tests.gql.trail import Trail

Serving = Callable[..., AbstractAsyncContextManager[RunningApi]]


@pytest.fixture(scope="session")
def serving(
    servers: EmbeddedServers, logins: dict[Login, str], tmp_path_factory: pytest.TempPathFactory
) -> Serving:
    """Serve the API on a free port, with the API's database login and these settings."""

    def serve(**settings: object) -> AbstractAsyncContextManager[RunningApi]:
        folder = tmp_path_factory.mktemp("api")
        return running_api(settings_for(logins[Login.API], servers.redis_url, folder, **settings))

    return serve


# Limits that admit documents that select the whole schema.
ROOMY = {
    "limit_tokens": 100_000,
    "limit_fields": 100_000,
    "limit_aliases": 100_000,
    "limit_cost": 10_000_000,
    "cost_per_minute": 1_000_000_000,
}


@pytest.fixture(scope="session")
async def api(serving: Serving) -> AsyncIterator[RunningApi]:
    """The API, with limits that admit documents that select the whole schema."""
    async with serving(**ROOMY) as running:
        yield running


@pytest.fixture(scope="session")
async def subgraph(serving: Serving) -> AsyncIterator[RunningApi]:
    """The API as a subgraph, with room for large documents, and without introspection."""
    async with serving(
        federation=True,
        introspection=False,
        **ROOMY,
    ) as running:
        yield running


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    """Each transport of subscriptions."""
    return str(request.param)


@pytest.fixture(scope="session")
async def ours(
    api: RunningApi, resources: dict[Login, Resources], tmp_path_factory: pytest.TempPathFactory
) -> Furnished:
    """A furnished tenant. Tests must not change it."""
    return await furnish(api, resources, tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="session")
async def theirs(
    api: RunningApi, resources: dict[Login, Resources], tmp_path_factory: pytest.TempPathFactory
) -> Furnished:
    """A second furnished tenant, without members of ours."""
    return await furnish(api, resources, tmp_path_factory.mktemp("theirs"))


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send heartbeats and read roles and tokens many times a second."""
    monkeypatch.setattr(following, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(context, "PRINCIPAL_SECONDS", 0.02)


@pytest.fixture(scope="session")
async def strict(serving: Serving) -> AsyncIterator[RunningApi]:
    """An API that admits only small documents, without introspection or suggestions."""
    async with serving(
        limit_tokens=100,
        limit_depth=6,
        limit_fields=20,
        limit_aliases=3,
        limit_directives=3,
        limit_duplicates=3,
        limit_cost=200,
        operations_per_websocket=2,
        introspection=False,
        suggestions=False,
    ) as running:
        yield running


@pytest.fixture
def trail(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Trail:
    """The audit log, after earlier refusals are forgotten."""
    monkeypatch.setattr(audit, "_repeats", audit._Repeats())
    caplog.set_level(logging.INFO, "audit")
    return Trail(caplog)
