"""The API, served once for all tests of it."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest

from gql import audit, context
from gql.runs import subscriptions
from opsrun.dev.embedded import EmbeddedServers
from opsrun.postgres.engines import Login
from opsrun.resources import Resources
from tests.conftest import settings_for
from tests.gql.api import TRANSPORTS, RunningApi, running_api
from tests.gql.furnished import Furnished, furnish
from tests.gql.trail import Trail

Serving = Callable[..., AbstractAsyncContextManager[RunningApi]]


@pytest.fixture(scope="session")
def serving(
    servers: EmbeddedServers, logins: dict[Login, str], tmp_path_factory: pytest.TempPathFactory
) -> Serving:
    """Serves the API on a free port, under its own database login, with the caller's settings."""

    def serve(**settings: object) -> AbstractAsyncContextManager[RunningApi]:
        folder = tmp_path_factory.mktemp("api")
        return running_api(settings_for(logins[Login.API], servers.redis_url, folder, **settings))

    return serve


@pytest.fixture(scope="session")
async def api(serving: Serving) -> AsyncIterator[RunningApi]:
    """The API, with limits that admit documents that select the whole schema."""
    async with serving(
        limit_tokens=100_000,
        limit_fields=100_000,
        limit_aliases=100_000,
        limit_cost=10_000_000,
        cost_per_minute=1_000_000_000,
    ) as running:
        yield running


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    """Both ways to watch."""
    return str(request.param)


@pytest.fixture(scope="session")
async def ours(
    api: RunningApi, resources: dict[Login, Resources], tmp_path_factory: pytest.TempPathFactory
) -> Furnished:
    """A furnished tenant; only for tests that change nothing in it."""
    return await furnish(api, resources, tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="session")
async def theirs(
    api: RunningApi, resources: dict[Login, Resources], tmp_path_factory: pytest.TempPathFactory
) -> Furnished:
    """Another one, whose members are not ours."""
    return await furnish(api, resources, tmp_path_factory.mktemp("theirs"))


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Heartbeats and looks at roles and tokens come many times a second."""
    monkeypatch.setattr(subscriptions, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(context, "PRINCIPAL_SECONDS", 0.02)


@pytest.fixture(scope="session")
async def strict(serving: Serving) -> AsyncIterator[RunningApi]:
    """Small documents, no introspection, no suggestions."""
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
    """The audit log, with no refusals remembered."""
    monkeypatch.setattr(audit, "_repeats", audit._Repeats())
    caplog.set_level(logging.INFO, "audit")
    return Trail(caplog)
