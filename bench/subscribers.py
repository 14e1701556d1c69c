"""Many subscribers to the list of one tenant, with one WebSocket each."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

from bench.documents import LIVE as DOCUMENT
from bench.load.process import Generator, open_generator
from bench.processes import Server
from bench.stage import LIVE, Stage
from bench.tenants import member_tokens

# WebSockets of one user: an API accepts 100.
_EACH = 20
# Seconds for a server to finish with the openings, and for the last messages to arrive.
_SETTLE, _GRACE = 1.0, 2.0
_PAUSE = 0.1


@dataclass(frozen=True, slots=True)
class Subscribers:
    """The load generator, and the tokens of the users that subscribe by turns."""

    _generator: Generator
    _query: dict[str, Any]
    _tokens: list[str]

    async def open(self, server: Server, count: int) -> float:
        """Open subscriptions; return the CPU seconds that the server used until it settled."""
        used = server.cpu_seconds
        tokens = [*islice(cycle(self._tokens), count)]
        await self._generator.call("open", port=server.port, tokens=tokens, query=self._query)
        await asyncio.sleep(_SETTLE)
        return server.cpu_seconds - used

    async def begin(self) -> None:
        """Forget the messages that have arrived."""
        await self._generator.call("begin")

    async def arrive(self, messages: int) -> None:
        """Wait until that many messages have arrived, but not longer than the time of grace."""
        for _ in range(round(_GRACE / _PAUSE)):
            if await self._generator.call("count") >= messages:
                return
            await asyncio.sleep(_PAUSE)

    async def result(self) -> Any:
        """Return the generator's figures since `begin`.

        Raises:
            RuntimeError: the server closed a subscription.
        """
        result = await self._generator.call("result")
        if result["lost"]:
            raise RuntimeError(f"The server closed {result['lost']} subscriptions.")
        return result

    async def close(self, server: Server) -> None:
        """Close all subscriptions, and wait until the server has finished with it."""
        await self._generator.call("close")
        await server.wait_until_quiet()


@asynccontextmanager
async def open_subscribers(stage: Stage, most: int) -> AsyncIterator[Subscribers]:
    """Start the load generator, and add enough users for `most` subscriptions."""
    tokens = await member_tokens(stage.servers.maintenance, LIVE, math.ceil(most / _EACH))
    query = {"query": DOCUMENT, "variables": {"tenant": stage.global_id(LIVE)}}
    async with open_generator("bench.load.websockets") as generator:
        yield Subscribers(generator, query, tokens)
