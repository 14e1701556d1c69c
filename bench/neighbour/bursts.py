"""Many honest clients at once: they subscribe together, and reconnect after a restart."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from time import perf_counter

from websockets.exceptions import ConnectionClosed, InvalidHandshake

from bench.neighbour.clients import FEED, Member, RefusedError, result
from bench.neighbour.stage import NEIGHBOUR, Stage

_PER_WEBSOCKET = 20
_WEBSOCKETS_PER_USER = 5
# As graphql-ws does it: not at once.
_RETRY_SECONDS = 1.0
_TIMEOUT_SECONDS = 180.0
_SERVICE_RESTART = 1012


class Burst:
    """Subscriptions that open at the same time. Each waits for its first event."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.errors: Counter[str] = Counter()

    async def open(self, subscriptions: int, *, restart: bool = False) -> float:
        """Open them, and return the seconds until the last one has its first event.

        With `restart`, kill the API after that, and return the seconds until all have an event
        again.
        """
        websockets = subscriptions // _PER_WEBSOCKET
        members = [
            await self._stage.new_member(NEIGHBOUR)
            for _ in range(-(-websockets // _WEBSOCKETS_PER_USER))
        ]
        served = [asyncio.Event() for _ in range(websockets)]
        done = asyncio.Event()
        async with AsyncExitStack() as stack, asyncio.timeout(_TIMEOUT_SECONDS):
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            began = perf_counter()
            for number, event in enumerate(served):
                member = members[number // _WEBSOCKETS_PER_USER]
                tasks.create_task(self._client(member, event, done))
            await _all(served)
            if restart:
                for event in served:
                    event.clear()
                began = perf_counter()
                await self._stage.restart("api")
                await _all(served)
            seconds = perf_counter() - began
            done.set()
        return seconds

    async def _client(self, member: Member, served: asyncio.Event, done: asyncio.Event) -> None:
        while not done.is_set():
            try:
                await _subscribe(member, served, done)
            except (OSError, InvalidHandshake):
                await asyncio.sleep(_RETRY_SECONDS)  # the API is restarting
            except ConnectionClosed as closed:
                if closed.rcvd is not None and closed.rcvd.code != _SERVICE_RESTART:
                    self.errors[f"closed: {closed.rcvd.code} {closed.rcvd.reason}"] += 1
                await asyncio.sleep(_RETRY_SECONDS)
            except RefusedError as error:
                self.errors[str(error)[:200]] += 1
                return


async def _subscribe(member: Member, served: asyncio.Event, done: asyncio.Event) -> None:
    async with member.websocket() as websocket:
        for _ in range(_PER_WEBSOCKET):
            await websocket.subscribe(FEED, {"t": member.tenant})
        for _ in range(_PER_WEBSOCKET):
            await result(websocket)
        served.set()
        finish = asyncio.create_task(done.wait())
        closed = asyncio.create_task(websocket.connection.wait_closed())
        await asyncio.wait([finish, closed], return_when=asyncio.FIRST_COMPLETED)
        finish.cancel()


async def _all(events: list[asyncio.Event]) -> None:
    for event in events:
        await event.wait()
