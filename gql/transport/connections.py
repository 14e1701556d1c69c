"""The open WebSockets and event streams, so that a stopping server can end them."""

import asyncio
import random
from collections.abc import Coroutine

from gql.request import current_request

# Seconds that a subscription may take to clean up.
CLEANUP_TIMEOUT = 5.0
# Seconds that a client may take to receive one event or message.
SEND_TIMEOUT = 30.0


class OpenConnections:
    """Serves each long connection in its own task.

    The task is cancelled at most once, whatever happens to the server's task, so that a
    subscription may await in its `finally`.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self.close_code: int | None = None

    async def serve(self, work: Coroutine[object, object, None]) -> None:
        """Run `work` until it ends, or cancel it when the server stops."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        request = current_request()
        gauge = request.telemetry.metrics.connections.labels(request.transport)
        with gauge.track_inprogress():
            try:
                await asyncio.wait({task})
            finally:
                await end(task)
        if not task.cancelled():
            task.result()

    async def close(self, code: int, spread: float) -> None:
        """End all connections, WebSockets with `code`; refuse new ones from now on.

        Each ends at a random moment within `spread` seconds, so that the clients do not all
        reconnect at once.
        """
        self.close_code = code
        await asyncio.gather(*(_end_within(spread, task) for task in self._tasks))


async def _end_within(seconds: float, task: asyncio.Task[None]) -> None:
    if seconds:
        delay = random.uniform(0, seconds)  # noqa: S311 - no secret
        await asyncio.wait({task}, timeout=delay)
    await end(task)


async def end(*tasks: asyncio.Task[None]) -> None:
    """Cancel `tasks`, and wait up to `CLEANUP_TIMEOUT` until they have cleaned up.

    A task that is cleaning up already is not cancelled again, since that would interrupt it.
    """
    for task in tasks:
        if not task.cancelling():
            task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=CLEANUP_TIMEOUT)


def is_cancelled() -> bool:
    """Return whether the current task is being cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def cancel_self() -> None:
    """End the current task as a cancellation does, so that none interrupts its clean-up."""
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)
