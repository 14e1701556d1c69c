"""The whole API on a real server in the tests' event loop."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import uvicorn
from prometheus_client import CollectorRegistry

from domain.tenancy.replica import ReplicaReads
from domain.tenancy.roles import TenantRole
from gql.context import UseCases
from gql.ids import GlobalId
from gql.transport.http import GraphQLView
from opsrun.api.asgi import open_api
from opsrun.api.http_protocol import server_config
from opsrun.api.websocket_protocol import WebSocketProtocol
from opsrun.resources import Resources, use_cases
from opsrun.settings import Settings
from tests.client import PATIENCE, Client, open_http
from tests.statements import recorded_queries
from tests.world import World

PUBLIC_URL = "https://ops.example/hub"


@dataclass(frozen=True, slots=True)
class RunningApi:
    """A running API, and the objects behind it."""

    http: httpx.AsyncClient
    resources: Resources
    cases: UseCases
    view: GraphQLView
    registry: CollectorRegistry

    def client(self, token: str | None) -> Client:
        """Return a client with this token."""
        return Client(self.http, token)

    def member(self, world: World, role: TenantRole = TenantRole.OPERATOR) -> Client:
        """Return a client signed in as the tenant's member of this role."""
        return self.client(world.token(role))

    @contextmanager
    def statements(self) -> Iterator[list[str]]:
        """Record the SQL statements that the API sends during the context."""
        statements: list[str] = []
        with recorded_queries(self.resources.engine) as queries:
            yield statements
        statements += [query.query for query in queries]


@asynccontextmanager
async def running_api(settings: Settings) -> AsyncIterator[RunningApi]:
    """Serve the API until the context closes."""
    opened: list[Resources] = []
    built: list[UseCases] = []

    def note(
        resources: Resources,
        *,
        max_active_runs: int,
        replica: ReplicaReads | None = None,
        **_: object,
    ) -> UseCases:
        # Starts send no messages, so that tests decide when to relay a run.
        opened.append(resources)
        built.append(use_cases(resources, max_active_runs=max_active_runs, replica=replica))
        return built[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("opsrun.api.asgi.use_cases", note)
        async with open_api(settings, PUBLIC_URL) as api:
            server = uvicorn.Server(server_config(api.app, ws=WebSocketProtocol))
            # asyncio sends small packets at once only on sockets with an explicit protocol.
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            serving = asyncio.create_task(server.serve([listener]))
            try:
                base = f"http://127.0.0.1:{listener.getsockname()[1]}"
                async with open_http(base) as http:
                    yield RunningApi(http, opened[0], built[0], api.view, api.monitor.registry)
            finally:
                await api.view.close_connections()
                server.should_exit = True
                await serving


async def work(world: World, run: Mapping[str, Any]) -> None:
    """Execute the run of this `id` and `runType` as a worker."""
    key = GlobalId.decode(run["id"]).uuid_key()
    await world.runner.execute(run["runType"], world.tenant_id, key)


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - no event to wait for
            await asyncio.sleep(0.005)
