"""Subscriptions as server-sent events: graphql-sse, distinct connections mode."""

import asyncio
from contextlib import suppress

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from strawberry.types import ExecutionResult

from gql.errors import error_body
from gql.transport.connections import SEND_TIMEOUT, OpenConnections, end
from gql.transport.responses import body_of
from gql.transport.results import ResultStream

# Seconds between keep-alive comments: below the usual idle timeouts of proxies.
KEEP_ALIVE = 12.0
HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-cache, no-transform",
    # Without it nginx holds events back until its buffer is full.
    "X-Accel-Buffering": "no",
}

# The standard allows CRLF, CR and LF, but urql and @graphql-tools/executor-http look for "\n\n" at
# the end of an event. They also parse the text after "data: ", hence no space after an empty
# `data`. Without that field an EventSource would not dispatch the event.
_COMMENT = ": ping\n\n"
_COMPLETE = "event: complete\ndata:\n\n"


class EventStream(Response):
    """An HTTP response that sends each result as an event."""

    def __init__(self, results: ResultStream, connections: OpenConnections) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._results = results
        self._connections = connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until the operation ends, the client leaves or the server stops."""
        try:
            await self._connections.serve(self._stream(receive, send))
        finally:
            # Even if it ended before it began.
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
                event = _COMMENT
            else:
                if result is None:
                    await _write(send, _COMPLETE)
                    return
                event = _next_event(result)
            if not await _write(send, event):
                return


def _next_event(result: ExecutionResult) -> str:
    try:
        data = orjson.dumps(body_of(result))
    except TypeError as error:  # a value that JSON cannot hold
        data = orjson.dumps(error_body(error))
    event = f"event: next\ndata: {data.decode()}\n\n"
    cursor = _cursor_of(result)
    return event if cursor is None else f"id: {cursor}\n{event}"


def _cursor_of(result: ExecutionResult) -> str | None:
    """Return the cursor of the event, if the client selected it."""
    match list((result.data or {}).values()):
        # Other characters could begin a new line.
        case [{"cursor": str(cursor)}] if cursor.isascii() and cursor.isprintable():
            return cursor
    return None


async def _write(send: Send, text: str, *, more: bool = True) -> bool:
    """Send `text`, and return whether the client received it in time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(SEND_TIMEOUT):
            await send({"type": "http.response.body", "body": text.encode(), "more_body": more})
            return True
    return False


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
