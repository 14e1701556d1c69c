"""Subscriptions as server-sent events: graphql-sse, distinct connections mode."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from strawberry.types import ExecutionResult

from gql.errors import error_body, public_error
from gql.live.outlets import Begun, Outlet, begin
from gql.transport.connections import SEND_TIMEOUT, OpenConnections, cancel_self, end, is_cancelled
from gql.transport.responses import payload_of

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
_COMMENT = b": ping\n\n"
_COMPLETE = b"event: complete\ndata:\n\n"


class EventStream(Response):
    """An HTTP response that sends each result of an operation as an event.

    The operation runs in its own task, which also sends: it is cancelled at most once, however
    the stream ends.
    """

    def __init__(
        self,
        stream: Callable[[Outlet], AsyncGenerator[ExecutionResult, None]],
        connections: OpenConnections,
        *,
        at_end: Callable[[], None],
    ) -> None:
        """Begin the operation; `at_end` is called once it has ended, for any reason."""
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._connections = connections
        loop = asyncio.get_running_loop()
        # The first result, until the response begins.
        self._first: asyncio.Future[ExecutionResult] | None = loop.create_future()
        self._client: asyncio.Future[Send] = loop.create_future()
        self._task = asyncio.create_task(self._send_events(stream(self)))
        self._task.add_done_callback(lambda _: at_end())

    async def first(self, timeout: float) -> ExecutionResult | None:
        """Return the first result; None if there is none yet in `timeout` seconds."""
        assert self._first is not None
        waiting: set[asyncio.Future[Any]] = {self._first, self._task}
        await asyncio.wait(waiting, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        return self._first.result() if self._first.done() else None

    async def aclose(self) -> None:
        """End the operation and wait until it has cleaned up."""
        await end(self._task)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until the operation ends, the client leaves or the server stops."""
        try:
            await self._connections.serve(self._stream(receive, send))
        finally:
            # Even if it ended before it began.
            await self.aclose()

    def begin(self, result: ExecutionResult) -> Begun | None:
        """Begin to send a result in any task; see `Outlet`."""
        return begin(_send(self._client.result(), _next_event(result)))

    async def send(self, result: ExecutionResult) -> None:
        """Send a result in the operation's task; see `Outlet`."""
        if (begun := self.begin(result)) is not None:
            await self.finish(begun)

    async def finish(self, begun: Begun) -> None:
        """Wait in the operation's task until the client has read enough; see `Outlet`."""
        if not await _in_time(begun):
            await cancel_self()

    async def _stream(self, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        self._first = None
        if not self._client.done():
            self._client.set_result(send)
        leaving = asyncio.create_task(_disconnect(receive))
        try:
            while not await _ended(self._task, leaving) and await _write(send, _COMMENT):
                pass
        finally:
            await end(self._task, leaving)
            await _write(send, b"", more=False)

    async def _send_events(self, results: AsyncGenerator[ExecutionResult, None]) -> None:
        try:
            async with aclosing(results):
                async for result in results:
                    # If a subscription fails to clean up, a cancellation ends in an error result.
                    if is_cancelled():
                        return
                    if self._first is not None and not self._first.done():
                        self._first.set_result(result)
                    await self._client
                    await self.send(result)
                    del result
            await _write(await self._client, _COMPLETE)
        except Exception as error:  # noqa: BLE001 - a subscription that fails to clean up
            public_error(error)


def _next_event(result: ExecutionResult) -> bytes:
    try:
        data = payload_of(result)
    except TypeError as error:  # a value that JSON cannot hold
        data = orjson.dumps(error_body(error))
    cursor = _cursor_of(result)
    head = b"" if cursor is None else b"id: %b\n" % cursor.encode()
    return b"%bevent: next\ndata: %b\n\n" % (head, data)


def _cursor_of(result: ExecutionResult) -> str | None:
    """Return the cursor of the event, if the client selected it."""
    match list((result.data or {}).values()):
        # Other characters could begin a new line.
        case [{"cursor": str(cursor)}] if cursor.isascii() and cursor.isprintable():
            return cursor
    return None


async def _write(send: Send, data: bytes, *, more: bool = True) -> bool:
    """Send `data`, and return whether the client received it in time."""
    begun = begin(_send(send, data, more=more))
    return begun is None or await _in_time(begun)


async def _send(send: Send, data: bytes, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": more})


async def _in_time(begun: Begun) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(SEND_TIMEOUT):
            await begun
            return True
    return False


async def _ended(*tasks: asyncio.Task[None]) -> bool:
    """Wait until one of the tasks has ended; return False after `KEEP_ALIVE`."""
    done, _ = await asyncio.wait(tasks, timeout=KEEP_ALIVE, return_when=asyncio.FIRST_COMPLETED)
    return bool(done)


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
