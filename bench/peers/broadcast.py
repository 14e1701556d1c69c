"""Send each event to all subscribers, serialized once: the limit of a live list."""

import asyncio
from contextlib import suppress

import orjson
import uvloop
from starlette.types import Receive, Scope, Send

from bench.peers.serving import listening, serve

_FIRST = '{"id":"1","type":"next","payload":{"data":{"operationRuns":{"__typename":"FeedReset"}}}}'
_NEXT = '{"id":"1","type":"next","payload":{"data":{"operationRuns":%s}}}'


class Broadcast:
    """An ASGI application that knows one subscription."""

    def __init__(self) -> None:
        self.events = asyncio.Queue[str]()
        self._members = set[Send]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a WebSocket until the client leaves."""
        await receive()
        await send({"type": "websocket.accept", "subprotocol": scope["subprotocols"][0]})
        while (message := await receive())["type"] == "websocket.receive":
            if orjson.loads(message["text"])["type"] == "connection_init":
                await send({"type": "websocket.send", "text": '{"type":"connection_ack"}'})
            else:
                await send({"type": "websocket.send", "text": _FIRST})
                self._members.add(send)
        self._members.discard(send)

    async def deliver(self) -> None:
        """Send each event to all members, without end."""
        while True:
            event = orjson.dumps(orjson.loads(await self.events.get())).decode()
            message = {"type": "websocket.send", "text": _NEXT % event}
            for send in [*self._members]:
                # uvicorn raises an OSError if the client has left.
                with suppress(OSError):
                    await send(message)


async def _main() -> None:
    app = Broadcast()
    async with listening(app.events.put_nowait), asyncio.TaskGroup() as group:
        group.create_task(app.deliver())
        await serve(app)


if __name__ == "__main__":
    uvloop.run(_main())
