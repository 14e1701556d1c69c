"""The sockets and streams that are open now, so that a stopping server can end them."""

import asyncio
import random
from collections.abc import Coroutine

from gql.serving import serving

# How long, in seconds, a subscription may take to clean up after itself.
CLEANUP_TIMEOUT = 5.0
# Seconds for one event or message to leave; a client that reads slower than that has gone.
SEND_TIMEOUT = 30.0


class OpenConnections:
    """Serves each long connection in a task of its own.

    Such a task is cancelled at most once, whatever becomes of the server's task, so
    a subscription's `finally` may await.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self.close_code: int | None = None

    async def serve(self, work: Coroutine[object, object, None]) -> None:
        """Run `work` until it ends, or cancel it when the server stops."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with serving().connection():
            try:
                await asyncio.wait({task})
            finally:
                await end(task)
        if not task.cancelled():
            task.result()

    async def close(self, code: int, spread: float) -> None:
        """End everything that is open; `close_code` tells newcomers and sockets why.

        Each ends at a moment of its own within `spread` seconds, so that not all clients
        connect again at once.
        """
        self.close_code = code
        await asyncio.gather(*(_end_within(spread, task) for task in self._tasks))


async def _end_within(seconds: float, task: asyncio.Task[None]) -> None:
    if seconds:
        chance = random.uniform(0, seconds)  # noqa: S311 - no secret
        await asyncio.wait({task}, timeout=chance)
    await end(task)


async def end(*tasks: asyncio.Task[None]) -> None:
    """Cancel `tasks` and wait, but not for ever, until they have cleaned up.

    A task that cleans up already is not cancelled again, since that would interrupt it.
    """
    for task in tasks:
        if not task.cancelling():
            task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=CLEANUP_TIMEOUT)
