"""What both sides send: documents, and sockets that carry many subscriptions."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

PATH = "/graphql"
SECONDS = 30.0

PAGE = """query ($t: ID!) { tenant(id: $t) { operationRuns(first: 20) {
  nodes { id runType statusBucket subject initiator { name } counts { total processed } }
} } }"""
START = """mutation ($t: ID!, $s: String!) {
  startInventorySync(input: {tenantId: $t, scopeKey: $s}) { run { id } userErrors { code } }
}"""
WATCH = """subscription ($t: ID!) { operationRuns(tenantId: $t) { __typename
  ... on OperationRunChanged { occurredAt run { id isTerminal: finishedAt } }
} }"""


class RefusedError(Exception):
    """The API does not do it."""


@asynccontextmanager
async def http_client(url: str, headers: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    """Open a client that keeps its connections."""
    async with httpx.AsyncClient(
        base_url=url,
        headers=headers,
        timeout=SECONDS,
        trust_env=False,
        verify=False,  # noqa: S501
    ) as http:
        yield http


async def ask(http: httpx.AsyncClient, query: str, **variables: Any) -> Any:
    """Return the data of a query or mutation.

    Raises:
        RefusedError: there are errors.
    """
    response = await http.post(PATH, json={"query": query, "variables": variables})
    body = response.json()
    if "errors" in body:
        raise RefusedError(str(body["errors"][0]))
    return body["data"]


class Socket:
    """An open socket."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self._ids = itertools.count(1)

    async def subscribe(self, query: str, **variables: Any) -> str:
        """Begin a subscription; return its id."""
        id_ = str(next(self._ids))
        payload = {"query": query, "variables": variables}
        await self.connection.send(json.dumps({"id": id_, "type": "subscribe", "payload": payload}))
        return id_

    async def receive(self) -> Any:
        """Return the next message that is not a ping.

        Raises:
            RefusedError: it is an error.
        """
        message = json.loads(await self.connection.recv())
        if message["type"] == "error" or "errors" in (message.get("payload") or {}):
            raise RefusedError(str(message["payload"]))
        return message


@asynccontextmanager
async def open_socket(url: str, headers: dict[str, str]) -> AsyncIterator[Socket]:
    """Open a socket that has been let in."""
    async with connect(
        url.replace("http", "ws", 1) + PATH,
        subprotocols=[Subprotocol("graphql-transport-ws")],
        proxy=None,
        open_timeout=SECONDS,
        ping_interval=None,
        close_timeout=1,
    ) as connection:
        await connection.send(json.dumps({"type": "connection_init", "payload": headers}))
        async with asyncio.timeout(SECONDS):
            message = json.loads(await connection.recv())
        if message["type"] != "connection_ack":
            raise RefusedError(str(message))
        yield Socket(connection)
