"""The results of one operation, as a stream that may be closed at any time."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress

from strawberry.types import ExecutionResult

from gql.observation import delivery_timer, noop
from gql.transport.connections import end

_Result = tuple[ExecutionResult | None, Callable[[], None]]


class ResultStream:
    """Iterates an operation in its own task, from the first result to the last.

    A subscription may therefore hold a timeout or a task group across its yields, and await in
    its `finally`: it is cancelled once, however its reader ends. At most one result is read
    ahead.
    """

    def __init__(
        self, results: AsyncGenerator[ExecutionResult, None], *, at_end: Callable[[], None] = noop
    ) -> None:
        """Begin; `at_end` is called once the operation has ended, for any reason."""
        self._queue: asyncio.Queue[_Result] = asyncio.Queue(maxsize=1)
        self._peeked: list[_Result] = []
        self._sent = noop
        self._task = asyncio.create_task(self._produce(results))
        self._task.add_done_callback(lambda _: at_end())

    async def next(self, timeout: float | None = None) -> ExecutionResult | None:
        """Return the next result, or None after the last.

        Raises:
            TimeoutError: there was none within `timeout` seconds.
        """
        # The caller has sent the previous result.
        sent, self._sent = self._sent, noop
        sent()
        result, self._sent = self._peeked.pop() if self._peeked else await self._take(timeout)
        return result

    async def peek(self, timeout: float) -> ExecutionResult | None:
        """Return the next result without taking it; None if none comes in `timeout` seconds."""
        with suppress(TimeoutError):
            self._peeked = [await self._take(timeout)]
        return self._peeked[0][0] if self._peeked else None

    async def aclose(self) -> None:
        """End the operation and wait until it has cleaned up."""
        await end(self._task)

    async def _take(self, timeout: float | None) -> _Result:
        async with asyncio.timeout(timeout):
            return await self._queue.get()

    async def _produce(self, results: AsyncGenerator[ExecutionResult, None]) -> None:
        async with aclosing(results):
            async for result in results:
                # If a subscription fails to clean up, a cancellation ends in an error result.
                if _is_cancelled():
                    return
                await self._queue.put((result, delivery_timer()))
        await self._queue.put((None, noop))


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
