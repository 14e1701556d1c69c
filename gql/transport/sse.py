"""Subscriptions as server-sent events: graphql-sse, distinct connections mode."""

import asyncio
from contextlib import suppress
from typing import cast

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from strawberry.http import GraphQLHTTPResponse
from strawberry.http.streaming import SSETransport
from strawberry.types import ExecutionResult

from gql.errors import error_body
from gql.transport.connections import SEND_TIMEOUT, OpenConnections, end
from gql.transport.responses import body_of
from gql.transport.results import ResultStream

# Seconds between keep-alive comments: under the idle limits that proxies commonly have.
KEEP_ALIVE = 12.0


class EventStream(Response):
    """An HTTP response that sends results as they come."""

    def __init__(self, results: ResultStream, connections: OpenConnections) -> None:
        super().__init__(headers=SSETransport.headers)
        del self.headers["content-length"]
        self._results = results
        self._connections = connections
        self._transport = SSETransport()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until the operation ends, the client leaves or the server stops."""
        try:
            await self._connections.serve(self._stream(receive, send))
        finally:
            # For the case too that it was over before it began.
            await self._results.aclose()

    async def _stream(self, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        sending = asyncio.create_task(self._send_events(send))
        leaving = asyncio.create_task(_disconnect(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(sending, leaving)
            await self._results.aclose()
            await _write(send, "", more=False)

    async def _send_events(self, send: Send) -> None:
        while True:
            try:
                result = await self._results.next(KEEP_ALIVE)
            except TimeoutError:
                event = self._transport.heartbeat_message(_encode)
            else:
                if result is None:
                    await _write(send, self._transport.encode_complete())
                    return
                event = self._next_event(result)
            if not await _write(send, event):
                return

    def _next_event(self, result: ExecutionResult) -> str:
        body = cast("GraphQLHTTPResponse", body_of(result))
        try:
            event = self._transport.encode_next(body, _encode)
        except TypeError as error:  # a value that JSON cannot hold
            body = cast("GraphQLHTTPResponse", error_body(error))
            return self._transport.encode_next(body, _encode)
        cursor = _cursor_of(result)
        return event if cursor is None else f"id: {cursor}\r\n{event}"


def _cursor_of(result: ExecutionResult) -> str | None:
    """Return the cursor of what a subscription's one field sent, if its client selected it."""
    match list((result.data or {}).values()):
        # Anything else could pass for a line of its own.
        case [{"cursor": str(cursor)}] if cursor.isascii() and cursor.isprintable():
            return cursor
    return None


def _encode(body: object) -> str:
    return orjson.dumps(body).decode()


async def _write(send: Send, text: str, *, more: bool = True) -> bool:
    """Send `text` and return whether the client took it in time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(SEND_TIMEOUT):
            await send({"type": "http.response.body", "body": text.encode(), "more_body": more})
            return True
    return False


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
