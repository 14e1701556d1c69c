"""Third-party clients from npm and PyPI use queries, events and persisted queries."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from domain.documents.models import TrustedDocument
from domain.documents.service import register
from domain.tenancy.roles import TenantRole
from gql.ids import GlobalId
from gql.transport import sse
from opsrun.postgres.engines import Login
from tests.contract.npm_clients import Scenario, program, scenario
from tests.gql.api import RunningApi
from tests.gql.conftest import Serving, api, serving
from tests.nodejs import needs_node
from tests.world import World

__all__ = ["api", "serving"]

PYTHON = Path(__file__).parent / "python-client"
PYTHON_TRANSPORTS = ("aiohttp", "httpx", "httpx_async", "requests")
PYTHON_WEBSOCKETS = ("websockets", "aiohttp_websockets")
# As Apollo Client sends it.
VIEWER = """query Viewer {
  viewer {
    name
    __typename
  }
}"""


def host(api: RunningApi) -> str:
    return api.http.base_url.netloc.decode()


async def facts(tools: Path, package: str, api: RunningApi, world: World, *arguments: str) -> Any:
    async with scenario(tools, package, host(api), world.token(), *arguments) as running:
        return await running.facts()


async def assert_watches(client: Scenario, world: World) -> None:
    """Check that the feed begins with a snapshot and then shows a new run."""
    assert (await client.facts())["kind"] == "FeedReset"
    started = await world.start()
    result = await client.facts()
    assert result["kind"] == "OperationRunChanged"
    assert GlobalId.decode(result["run"]).uuid_key() == started.run.id


@needs_node
@pytest.mark.parametrize("package", ["urql", "executor-http"])
async def test_a_client_that_splits_at_line_feeds_sees_events(
    tools: Path,
    api: RunningApi,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    package: str,
) -> None:
    # Comments come between the events.
    monkeypatch.setattr(sse, "KEEP_ALIVE", 0.01)
    async with scenario(
        tools, package, host(api), world.token(), "watching", world.global_id
    ) as client:
        await assert_watches(client, world)


@needs_node
@pytest.mark.parametrize("package", ["executor-http", "graphql-request"])
async def test_responses_and_errors_arrive(
    tools: Path, api: RunningApi, world: World, package: str
) -> None:
    name = world.members[TenantRole.OPERATOR].name
    result = await facts(tools, package, api, world, "asking", "{ viewer { name } }")
    assert result == {"data": {"viewer": {"name": name}}, "codes": []}
    result = await facts(tools, package, api, world, "asking", "{ nothing }")
    assert result["codes"] == ["BAD_USER_INPUT"]


@needs_node
@pytest.mark.parametrize("package", ["urql", "apollo"])
async def test_an_unknown_hash_is_followed_by_the_text(
    tools: Path, api: RunningApi, world: World, package: str
) -> None:
    result = await facts(tools, package, api, world, "persisted")
    name = world.members[TenantRole.OPERATOR].name
    assert result == {"name": name, "codes": [], "requests": [False, True]}


@needs_node
@pytest.mark.parametrize("package", ["urql", "apollo"])
async def test_clients_do_not_retry_where_only_registered_documents_run(
    tools: Path, serving: Serving, world: World, package: str
) -> None:
    async with serving(trusted_documents="required") as closed:
        result = await facts(tools, package, closed, world, "persisted")
    assert result["codes"] == ["DOCUMENT_NOT_REGISTERED"]
    assert result["requests"] == [False]


@needs_node
async def test_a_client_with_other_hashes_is_served_by_text(
    tools: Path, serving: Serving, world: World
) -> None:
    name = world.members[TenantRole.OPERATOR].name
    async with serving(trusted_documents="required") as closed:
        maintenance = world.resources[Login.MAINTENANCE].transactions
        await register(maintenance, [TrustedDocument("Viewer", VIEWER)])
        result = await facts(tools, "apollo", closed, world, "persisted", "md5")
    assert result == {"name": name, "codes": [], "requests": [False, True]}


@needs_node
async def test_a_normalized_cache_keeps_the_names_of_initiators_apart(
    tools: Path, api: RunningApi, world: World
) -> None:
    first, second = [(await world.start()).run.id for _ in range(2)]
    await world.write(
        "UPDATE opsrun.operation_run SET initiator_name = 'Renamed'"
        " WHERE tenant_id = :tenant_id AND id = :run_id",
        run_id=second,
    )
    ids = [GlobalId("OperationRun", world.tenant_id, key.hex).encode() for key in (first, second)]
    result = await facts(tools, "apollo", api, world, "initiators", *ids)
    assert result == {"name": world.members[TenantRole.OPERATOR].name}


@pytest.fixture(scope="session")
def python(python_package: Path) -> str:
    """A Python with the package `gql`, which has the name of one of our packages."""
    return str(python_package / "bin" / "python")


@asynccontextmanager
async def python_client(
    python: str, api: RunningApi, world: World, *arguments: str
) -> AsyncIterator[Scenario]:
    url = f"http://{host(api)}/graphql"
    async with program(PYTHON, url, world.token(), python, "client.py", *arguments) as running:
        yield running


@pytest.mark.parametrize("transport", [*PYTHON_TRANSPORTS, *PYTHON_WEBSOCKETS])
async def test_the_python_package_executes_queries(
    python: str, api: RunningApi, world: World, transport: str
) -> None:
    async with python_client(python, api, world, transport, "asking") as client:
        assert await client.facts() == {"name": world.members[TenantRole.OPERATOR].name}
        assert await client.facts() == {"codes": ["BAD_USER_INPUT"]}


@pytest.mark.parametrize("transport", PYTHON_WEBSOCKETS)
async def test_the_python_package_receives_events(
    python: str, api: RunningApi, world: World, transport: str
) -> None:
    async with python_client(python, api, world, transport, "watching", world.global_id) as client:
        await assert_watches(client, world)
