"""The whole API on a real server in the tests' own loop, and clients of it."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import uvicorn
from prometheus_client import CollectorRegistry
from sqlalchemy import event
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from domain.tenancy.roles import TenantRole
from gql.context import UseCases
from gql.ids import GlobalId
from gql.transport.http import GraphQLView
from opsrun.api.asgi import open_api
from opsrun.api.http_protocol import server_config
from opsrun.api.websocket_protocol import WebSocketProtocol
from opsrun.resources import Resources, use_cases
from opsrun.settings import Settings
from tests.world import World

PATH = "/graphql"
PUBLIC_URL = "https://ops.example/hub"
RESPONSE_JSON = "application/graphql-response+json"
EVENTS = "text/event-stream"
PATIENCE = 20.0

WEBSOCKET, SSE = "websocket", "sse"
TRANSPORTS = (WEBSOCKET, SSE)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back over HTTP."""

    status: int
    content: bytes

    @property
    def body(self) -> Any:
        """The JSON."""
        return json.loads(self.content)

    @property
    def code(self) -> str:
        """The code of the one error."""
        (error,) = self.body["errors"]
        code: str = error["extensions"]["code"]
        return code

    @property
    def data(self) -> Any:
        """The data of an answer without errors."""
        assert self.status == 200, self.content
        assert "errors" not in self.body, self.content
        return self.body["data"]


class Stream:
    """A subscription from its client's side, whatever carries it."""

    def __init__(self, messages: AsyncIterator[tuple[str, Any]]) -> None:
        self._messages = messages

    async def message(self) -> tuple[str, Any]:
        """Return the next (`next` | `error` | `complete`, payload)."""
        async with asyncio.timeout(PATIENCE):
            return await anext(self._messages)

    async def next(self) -> Any:
        """Return what the subscription's one field sends next."""
        kind, payload = await self.message()
        assert kind == "next", payload
        assert "errors" not in payload, payload
        (value,) = payload["data"].values()
        return value

    async def until(self, condition: Callable[[Any], bool]) -> list[Any]:
        """Return everything up to the first value that meets the condition."""
        async with asyncio.timeout(PATIENCE):
            seen = [await self.next()]
            while not condition(seen[-1]):
                seen.append(await self.next())
        return seen

    async def rest(self) -> list[Any]:
        """Return everything up to the completion."""
        values: list[Any] = []
        while True:
            kind, payload = await self.message()
            if kind == "complete":
                return values
            assert kind == "next", payload
            assert "errors" not in payload, payload
            values += payload["data"].values()

    async def failure(self) -> str:
        """Return the code of the error that ends the stream; values before it are skipped."""
        async with asyncio.timeout(PATIENCE):
            while (message := await self.message())[0] == "next":
                pass
        kind, payload = message
        assert kind == "error"
        code: str = payload[0]["extensions"]["code"]
        return code


class Client:
    """Somebody with a token, or without."""

    def __init__(self, http: httpx.AsyncClient, token: str | None) -> None:
        self._http = http
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def ask(
        self, query: str, variables: Mapping[str, Any] | None = None, accept: str = RESPONSE_JSON
    ) -> Answer:
        """Send a query or mutation."""
        response = await self._http.post(
            PATH,
            json={"query": query, "variables": variables},
            headers={**self._headers, "Accept": accept},
        )
        return Answer(response.status_code, response.content)

    async def post(self, body: bytes) -> Answer:
        """Send a body as it is."""
        headers = {**self._headers, "Content-Type": "application/json", "Accept": RESPONSE_JSON}
        response = await self._http.post(PATH, content=body, headers=headers)
        return Answer(response.status_code, response.content)

    async def data(self, query: str, **variables: Any) -> Any:
        """Return the data of an operation that has no errors."""
        return (await self.ask(query, variables)).data

    @asynccontextmanager
    async def subscribe(
        self, transport: str, query: str, variables: Mapping[str, Any] | None = None
    ) -> AsyncIterator[Stream]:
        """Open a subscription over a socket of its own or over server-sent events."""
        if transport == SSE:
            async with self.stream(query, variables) as response:
                yield Stream(_events(response))
        else:
            async with self.socket() as connection:
                payload = {"query": query, "variables": variables}
                await connection.send(
                    json.dumps({"id": "1", "type": "subscribe", "payload": payload})
                )
                yield Stream(_messages(connection))

    def stream(
        self,
        query: str,
        variables: Mapping[str, Any] | None = None,
        last_event_id: str | None = None,
    ) -> AbstractAsyncContextManager[httpx.Response]:
        """Open a subscription over server-sent events and return the response as it begins."""
        payload = {"query": query, "variables": variables}
        headers = {**self._headers, "Accept": EVENTS}
        if last_event_id is not None:
            headers["Last-Event-ID"] = last_event_id
        return self._http.stream("POST", PATH, json=payload, headers=headers)

    @asynccontextmanager
    async def go_on(
        self, last_event_id: str, query: str, variables: Mapping[str, Any]
    ) -> AsyncIterator[Stream]:
        """Open server-sent events behind the last one of an earlier stream."""
        async with self.stream(query, variables, last_event_id) as response:
            yield Stream(_events(response))

    @asynccontextmanager
    async def socket(self) -> AsyncIterator[ClientConnection]:
        """Open a socket that has been let in."""
        url = f"ws://{self._http.base_url.netloc.decode()}{PATH}"
        async with connect(
            url, subprotocols=[Subprotocol("graphql-transport-ws")], proxy=None
        ) as connection:
            await connection.send(json.dumps({"type": "connection_init", "payload": self._headers}))
            assert json.loads(await connection.recv())["type"] == "connection_ack"
            yield connection


async def _messages(connection: ClientConnection) -> AsyncIterator[tuple[str, Any]]:
    async for text in connection:
        message = json.loads(text)
        yield message["type"], message.get("payload")


async def _events(response: httpx.Response) -> AsyncIterator[tuple[str, Any]]:
    if response.status_code != 200:
        yield "error", json.loads(await response.aread())["errors"]
        return
    kind = ""
    async for line in response.aiter_lines():
        name, _, text = line.partition(":")
        if name == "event":
            kind = text.strip()
        elif name == "data":
            payload = json.loads(text) if text.strip() else None
            if payload and "data" not in payload:
                yield "error", payload["errors"]
            else:
                yield kind, payload


@dataclass(frozen=True, slots=True)
class RunningApi:
    """The API, and what a test may look at behind it."""

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
        """Note the SQL statements that the API sends meanwhile."""
        noted: list[str] = []

        def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            noted.append(statement)

        engine = self.resources.engine.sync_engine
        event.listen(engine, "before_cursor_execute", note)
        try:
            yield noted
        finally:
            event.remove(engine, "before_cursor_execute", note)


@asynccontextmanager
async def running_api(settings: Settings) -> AsyncIterator[RunningApi]:
    """Serve the API until the context closes."""
    opened: list[Resources] = []
    built: list[UseCases] = []

    def note(resources: Resources, *, max_active_runs: int) -> UseCases:
        opened.append(resources)
        built.append(use_cases(resources, max_active_runs=max_active_runs))
        return built[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("opsrun.api.asgi.use_cases", note)
        async with open_api(settings, PUBLIC_URL) as api:
            server = uvicorn.Server(server_config(api.app, ws=WebSocketProtocol))
            # asyncio sends small packets at once only on sockets that name their protocol.
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            serving = asyncio.create_task(server.serve([listener]))
            try:
                async with httpx.AsyncClient(
                    # Below the server's 5 s, after which it may close while we send.
                    limits=httpx.Limits(max_connections=None, keepalive_expiry=2),
                    base_url=f"http://127.0.0.1:{listener.getsockname()[1]}",
                    timeout=PATIENCE,
                    trust_env=False,
                    verify=False,  # noqa: S501 - no TLS here, and certificates load slowly
                ) as http:
                    yield RunningApi(http, opened[0], built[0], api.view, api.monitor.registry)
            finally:
                await api.view.close_connections()
                server.should_exit = True
                await serving


async def work(world: World, run: Mapping[str, Any]) -> None:
    """Let a worker do the run of this `id` and `runType`."""
    key = GlobalId.decode(run["id"]).uuid_key()
    await world.runner.execute(run["runType"], world.tenant_id, key)


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - nobody tells us when it does
            await asyncio.sleep(0.005)
