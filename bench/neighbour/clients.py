"""The GraphQL documents of both tenants, and clients for HTTP and WebSockets."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

PATH = "/graphql"
TIMEOUT_SECONDS = 30.0

PAGE = """query ($t: ID!) { tenant(id: $t) { operationRuns(first: 20) {
  nodes { id runType statusBucket subject initiator { name } counts { total processed } }
} } }"""
START = """mutation ($t: ID!, $s: String!) {
  startInventorySync(input: {tenantId: $t, scopeKey: $s}) { run { id } userErrors { code } }
}"""
FEED = """subscription ($t: ID!) { operationRuns(tenantId: $t) { __typename
  ... on OperationRunChanged { occurredAt run { id isTerminal: finishedAt } }
} }"""


class RefusedError(Exception):
    """The API refused the operation."""


class WebSocket:
    """An open connection that carries any number of subscriptions."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self._ids = itertools.count(1)

    async def subscribe(self, query: str, **variables: Any) -> None:
        """Begin a subscription."""
        payload = {"query": query, "variables": variables}
        message = {"id": str(next(self._ids)), "type": "subscribe", "payload": payload}
        await self.connection.send(json.dumps(message))

    async def receive(self) -> Any:
        """Return the next message.

        Raises:
            RefusedError: it is an error.
        """
        message = json.loads(await self.connection.recv())
        if message["type"] == "error" or "errors" in (message.get("payload") or {}):
            raise RefusedError(str(message["payload"]))
        return message


@dataclass(frozen=True, slots=True)
class Member:
    """A user of one tenant, and the URL of the API."""

    url: str
    token: str
    tenant: str
    user: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """The headers that authenticate the user."""
        return {"Authorization": f"Bearer {self.token}"}

    @asynccontextmanager
    async def http(self) -> AsyncIterator[httpx.AsyncClient]:
        """Open an HTTP client with persistent connections."""
        async with httpx.AsyncClient(
            base_url=self.url,
            headers=self.headers,
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
            verify=False,  # noqa: S501
        ) as http:
            yield http

    @asynccontextmanager
    async def websocket(self) -> AsyncIterator[WebSocket]:
        """Open a WebSocket that the API has acknowledged.

        Raises:
            RefusedError: the API answered the `connection_init` with something else.
        """
        async with connect(
            self.url.replace("http", "ws", 1) + PATH,
            subprotocols=[Subprotocol("graphql-transport-ws")],
            proxy=None,
            open_timeout=TIMEOUT_SECONDS,
            ping_interval=None,
            close_timeout=1,
        ) as connection:
            init = {"type": "connection_init", "payload": self.headers}
            await connection.send(json.dumps(init))
            async with asyncio.timeout(TIMEOUT_SECONDS):
                message = json.loads(await connection.recv())
            if message["type"] != "connection_ack":
                raise RefusedError(str(message))
            yield WebSocket(connection)


async def execute(http: httpx.AsyncClient, query: str, **variables: Any) -> Any:
    """Return the data of a query or mutation.

    Raises:
        RefusedError: the response has errors.
    """
    response = await http.post(PATH, json={"query": query, "variables": variables})
    body = response.json()
    if "errors" in body:
        raise RefusedError(str(body["errors"][0]))
    return body["data"]
