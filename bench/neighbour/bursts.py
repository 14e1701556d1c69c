"""Many honest clients at once: they subscribe together, and come back after a restart."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from time import perf_counter

from websockets.exceptions import ConnectionClosed, InvalidHandshake

from bench.neighbour.clients import WATCH, RefusedError, open_socket
from bench.neighbour.stage import NEIGHBOUR, Member, Stage

_PER_SOCKET = 20
_SOCKETS_PER_USER = 5
# As graphql-ws does it: later, and not all at the same time.
_RETRY_SECONDS = 1.0
_PATIENCE = 180.0


class Burst:
    """Subscriptions that are opened at once, each of which has to hear its first event."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.faults: Counter[str] = Counter()

    async def open(self, subscriptions: int, *, restart: bool = False) -> float:
        """Open them, `_PER_SOCKET` on a socket; return the seconds until the last has heard.

        With `restart` the API is killed once all of them have, and the seconds are those until
        they all have heard again.
        """
        sockets = subscriptions // _PER_SOCKET
        members = [
            await self._stage.new_member(NEIGHBOUR) for _ in range(-(-sockets // _SOCKETS_PER_USER))
        ]
        served = [asyncio.Event() for _ in range(sockets)]
        done = asyncio.Event()
        async with AsyncExitStack() as stack, asyncio.timeout(_PATIENCE):
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            began = perf_counter()
            for number, event in enumerate(served):
                member = members[number // _SOCKETS_PER_USER]
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
                await self._subscribe(member, served, done)
            except (OSError, InvalidHandshake):
                await asyncio.sleep(_RETRY_SECONDS)  # the API is away
            except ConnectionClosed as closed:
                if closed.rcvd is not None and closed.rcvd.code != 1012:
                    self.faults[f"closed: {closed.rcvd.code} {closed.rcvd.reason}"] += 1
                await asyncio.sleep(_RETRY_SECONDS)
            except RefusedError as error:
                self.faults[str(error)[:200]] += 1
                return

    async def _subscribe(self, member: Member, served: asyncio.Event, done: asyncio.Event) -> None:
        async with open_socket(self._stage.url, member.headers) as socket:
            for _ in range(_PER_SOCKET):
                await socket.subscribe(WATCH, t=member.tenant)
            for _ in range(_PER_SOCKET):
                await socket.receive()
            served.set()
            leaving = asyncio.create_task(done.wait())
            closed = asyncio.create_task(socket.connection.wait_closed())
            await asyncio.wait([leaving, closed], return_when=asyncio.FIRST_COMPLETED)
            leaving.cancel()


async def _all(events: list[asyncio.Event]) -> None:
    for event in events:
        await event.wait()
