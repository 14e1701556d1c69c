"""The GraphQL documents of both tenants, and the members that send them."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.client import Client, WebSocket, open_http, open_websocket

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


@dataclass(frozen=True, slots=True)
class Member:
    """A user of one tenant, and the URL of the API."""

    url: str
    token: str
    tenant: str
    user: str = ""

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        """Open a client with persistent connections."""
        async with open_http(self.url, TIMEOUT_SECONDS) as http:
            yield Client(http, self.token)

    def websocket(self) -> AbstractAsyncContextManager[WebSocket]:
        """Open a WebSocket that the API has acknowledged."""
        return open_websocket(
            self.url,
            {"Authorization": f"Bearer {self.token}"},
            open_timeout=TIMEOUT_SECONDS,
            ping_interval=None,
            close_timeout=1,
        )


async def result(websocket: WebSocket) -> Any:
    """Return the next message.

    Raises:
        RefusedError: it is an error.
    """
    message = await websocket.receive()
    if message["type"] == "error" or "errors" in (message.get("payload") or {}):
        raise RefusedError(str(message["payload"]))
    return message
