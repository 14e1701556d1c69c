"""A GraphQL client over HTTP, event streams and WebSockets, for tests and benchmarks.

```python
async with open_http("http://127.0.0.1:8000") as http:
    client = Client(http, token)
    await client.data("{ viewer { name } }")
    async with client.subscribe(WEBSOCKET, "subscription { … }") as stream:
        first = await stream.next()
```
"""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

PATH = "/graphql"
RESPONSE_JSON = "application/graphql-response+json"
EVENTS = "text/event-stream"
PATIENCE = 20.0

WEBSOCKET, SSE = "websocket", "sse"
TRANSPORTS = (WEBSOCKET, SSE)

TENANTS = "{ viewer { memberships { role tenant { id slug } } } }"
SYNC = """mutation($tenant: ID!, $scope: String!) {
  startInventorySync(input: {tenantId: $tenant, scopeKey: $scope}) {
    run { id } userErrors { message } } }"""
DRIFT = """mutation($tenant: ID!, $scope: String!) {
  startDriftGeneration(input: {tenantId: $tenant, scopeKey: $scope}) {
    run { id } userErrors { message } } }"""
WATCH = """subscription($run: ID!) { operationRun(id: $run) {
  run { statusBucket counts { total processed failed } } } }"""
RUNS = """query($tenant: ID!) { tenant(id: $tenant) { operationRuns(first: 100) {
  nodes { id runType statusBucket } } } }"""


@asynccontextmanager
async def open_http(base_url: str, timeout: float = PATIENCE) -> AsyncIterator[httpx.AsyncClient]:
    """Open an HTTP client with any number of connections; `timeout` is in seconds."""
    async with httpx.AsyncClient(
        # The server closes idle connections after 5 s, perhaps while we send.
        limits=httpx.Limits(max_connections=None, keepalive_expiry=2),
        base_url=base_url,
        timeout=timeout,
        trust_env=False,
        verify=False,  # noqa: S501 - no TLS here, and certificates load slowly
    ) as http:
        yield http


@dataclass(frozen=True, slots=True)
class Answer:
    """A response over HTTP."""

    status: int
    content: bytes

    @property
    def body(self) -> Any:
        """The JSON."""
        return json.loads(self.content)

    @property
    def code(self) -> str:
        """The code of the only error."""
        (error,) = self.body["errors"]
        code: str = error["extensions"]["code"]
        return code

    @property
    def data(self) -> Any:
        """The data of a response without errors."""
        assert self.status == 200, self.content
        assert "errors" not in self.body, self.content
        return self.body["data"]


class Stream:
    """The results of a subscription, on either transport."""

    def __init__(self, messages: AsyncIterator[tuple[str, Any]]) -> None:
        self._messages = messages

    async def message(self) -> tuple[str, Any]:
        """Return the next (`next` | `error` | `complete`, payload)."""
        async with asyncio.timeout(PATIENCE):
            return await anext(self._messages)

    async def next(self) -> Any:
        """Return the next value of the subscription's one field."""
        kind, payload = await self.message()
        assert kind == "next", payload
        assert "errors" not in payload, payload
        (value,) = payload["data"].values()
        return value

    async def until(self, condition: Callable[[Any], bool]) -> list[Any]:
        """Return all values up to the first that meets the condition."""
        async with asyncio.timeout(PATIENCE):
            seen = [await self.next()]
            while not condition(seen[-1]):
                seen.append(await self.next())
        return seen

    async def rest(self) -> list[Any]:
        """Return all values up to the completion."""
        values: list[Any] = []
        while True:
            kind, payload = await self.message()
            if kind == "complete":
                return values
            assert kind == "next", payload
            assert "errors" not in payload, payload
            values += payload["data"].values()

    async def failure(self) -> str:
        """Return the code of the error that ends the stream; skip values before it."""
        async with asyncio.timeout(PATIENCE):
            while (message := await self.message())[0] == "next":
                pass
        kind, payload = message
        assert kind == "error"
        code: str = payload[0]["extensions"]["code"]
        return code


class WebSocket:
    """An acknowledged WebSocket, which carries any number of operations."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self._ids = itertools.count(1)

    async def send(self, **message: Any) -> None:
        """Send a message."""
        await self.connection.send(json.dumps(message))

    async def subscribe(
        self, query: str, variables: Mapping[str, Any] | None = None, id_: str | None = None
    ) -> str:
        """Start an operation; return its id."""
        id_ = id_ or str(next(self._ids))
        payload = {"query": query, "variables": variables}
        await self.send(type="subscribe", id=id_, payload=payload)
        return id_

    async def receive(self) -> Any:
        """Return the next message, without a time limit."""
        return json.loads(await self.connection.recv())

    async def messages(self) -> AsyncIterator[tuple[str, Any]]:
        """Yield the type and payload of each message."""
        async for text in self.connection:
            message = json.loads(text)
            yield message["type"], message.get("payload")


@asynccontextmanager
async def open_websocket(
    base_url: str, payload: Mapping[str, object], **options: Any
) -> AsyncIterator[WebSocket]:
    """Open a WebSocket with this `connection_init`, and wait for its acknowledgement.

    `options` are those of `connect`.

    Raises:
        ConnectionClosed: the server refused it.
    """
    async with connect(
        base_url.replace("http", "ws", 1) + PATH,
        subprotocols=[Subprotocol("graphql-transport-ws")],
        proxy=None,
        **options,
    ) as connection:
        websocket = WebSocket(connection)
        await websocket.send(type="connection_init", payload=payload)
        assert (await websocket.receive())["type"] == "connection_ack"
        yield websocket


class Client:
    """A client with a token, or without."""

    def __init__(self, http: httpx.AsyncClient, token: str | None) -> None:
        self._http = http
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def ask(
        self, query: str, variables: Mapping[str, Any] | None = None, accept: str = RESPONSE_JSON
    ) -> Answer:
        """Send a query or mutation."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        return await self.post(body, accept)

    async def post(self, body: bytes, accept: str = RESPONSE_JSON) -> Answer:
        """Send a body as it is."""
        headers = {**self._headers, "Content-Type": "application/json", "Accept": accept}
        response = await self._http.post(PATH, content=body, headers=headers)
        return Answer(response.status_code, response.content)

    async def data(self, query: str, **variables: Any) -> Any:
        """Return the data of an operation that has no errors."""
        return (await self.ask(query, variables)).data

    @asynccontextmanager
    async def subscribe(
        self, transport: str, query: str, variables: Mapping[str, Any] | None = None
    ) -> AsyncIterator[Stream]:
        """Open a subscription over a new WebSocket or an event stream."""
        if transport == SSE:
            async with self.stream(query, variables) as response:
                yield Stream(_events(response))
        else:
            async with self.websocket() as websocket:
                await websocket.subscribe(query, variables)
                yield Stream(websocket.messages())

    def stream(
        self,
        query: str,
        variables: Mapping[str, Any] | None = None,
        last_event_id: str | None = None,
    ) -> AbstractAsyncContextManager[httpx.Response]:
        """Open an event stream and return the response when it begins."""
        payload = {"query": query, "variables": variables}
        headers = {**self._headers, "Accept": EVENTS}
        if last_event_id is not None:
            headers["Last-Event-ID"] = last_event_id
        return self._http.stream("POST", PATH, json=payload, headers=headers)

    @asynccontextmanager
    async def resume(
        self, last_event_id: str, query: str, variables: Mapping[str, Any]
    ) -> AsyncIterator[Stream]:
        """Open an event stream after the last event of an earlier one."""
        async with self.stream(query, variables, last_event_id) as response:
            yield Stream(_events(response))

    def websocket(self) -> AbstractAsyncContextManager[WebSocket]:
        """Open a WebSocket for several operations."""
        return open_websocket(str(self._http.base_url).rstrip("/"), self._headers)


class User(Client):
    """A signed-in member of a tenant."""

    tenant_id: str
    role: str

    @classmethod
    @asynccontextmanager
    async def signed_in(
        cls, base: str, token: str, slug: str | None = None
    ) -> AsyncIterator["User"]:
        """Sign in to the tenant with this slug, or to the first tenant."""
        async with open_http(base) as http:
            user = cls(http, token)
            memberships = (await user.data(TENANTS))["viewer"]["memberships"]
            [membership] = [
                one for one in memberships if slug is None or one["tenant"]["slug"] == slug
            ][:1]
            user.tenant_id, user.role = membership["tenant"]["id"], membership["role"]
            yield user

    async def start(self, mutation: str, scope: str) -> str:
        """Start a run; return its id."""
        data = await self.data(mutation, tenant=self.tenant_id, scope=scope)
        [payload] = data.values()
        assert payload["userErrors"] == []
        return str(payload["run"]["id"])

    async def watch(self, run: str) -> Any:
        """Watch the run until it ends; return its last state."""
        async with self.subscribe(SSE, WATCH, {"run": run}) as stream:
            return (await stream.rest())[-1]["run"]

    async def runs(self) -> list[Any]:
        """Return the newest runs."""
        tenant = (await self.data(RUNS, tenant=self.tenant_id))["tenant"]
        runs: list[Any] = tenant["operationRuns"]["nodes"]
        return runs


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
