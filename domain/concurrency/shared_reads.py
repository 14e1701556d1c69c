"""Reads that concurrent callers share."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from time import monotonic
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class SharedReads(Generic[K, V]):
    """Reads by key, one at a time for each key, however many callers there are.

    A caller gets the value of a read that began after the call, unless `max_age` allows an
    older one:

        principals = SharedReads(read_principal)
        now = await principals.get(user_id)
        lately = await principals.get(user_id, max_age=5.0)
    """

    def __init__(self, read: Callable[[K], Awaitable[V]], *, capacity: int = 10_000) -> None:
        """Share and cache the results of `read`, for up to `capacity` keys."""
        self._read = read
        self._capacity = capacity
        self._cached: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self._running: dict[K, asyncio.Future[None]] = {}
        self._next: dict[K, asyncio.Task[V]] = {}

    async def get(self, key: K, *, max_age: float = 0.0) -> V:
        """Return the key's current value, or one that was read at most `max_age` seconds ago.

        If the read raises, all callers who share it get the exception.
        """
        if max_age and (cached := self._cached.get(key)) and monotonic() - cached[0] < max_age:
            return cached[1]
        if key not in self._running and key not in self._next:
            return await self._read_now(key)
        # A read that already runs may have missed a change just before this call.
        reading = self._next.get(key)
        if reading is None:
            reading = self._next[key] = asyncio.create_task(self._after_running(key))
        # A caller who is cancelled does not end the read of the others.
        return await asyncio.shield(reading)

    async def _after_running(self, key: K) -> V:
        if (running := self._running.get(key)) is not None:
            await asyncio.wait([running])
        del self._next[key]
        return await self._read_now(key)

    async def _read_now(self, key: K) -> V:
        ended = self._running[key] = asyncio.get_running_loop().create_future()
        try:
            began = monotonic()
            value = await self._read(key)
        finally:
            del self._running[key]
            ended.set_result(None)
        self._cached[key] = began, value
        self._cached.move_to_end(key)
        if len(self._cached) > self._capacity:
            self._cached.popitem(last=False)
        return value
