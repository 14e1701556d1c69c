"""A limited number of places, shared fairly: each key has a separate line."""

from asyncio import Future, get_running_loop
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from itertools import islice


class Turn:
    """A place that one caller takes, and may give back early."""

    def __init__(self, queue: "FairQueue", key: Hashable) -> None:
        self._queue = queue
        self._key = key
        self._is_held = False

    @property
    def waiting(self) -> int:
        """The number of the key's callers that wait."""
        return self._queue.waiting(self._key)

    async def take(self) -> None:
        """Wait for a place, unless the turn holds one."""
        if not self._is_held:
            await self._queue.take(self._key)
            self._is_held = True

    def give_back(self) -> None:
        """Give the place back, unless that has happened."""
        if self._is_held:
            self._is_held = False
            self._queue.give_back(self._key)


class FairQueue:
    """Hands out places to the waiting keys in turn.

    Callers of one key get places in the order of their arrival. A free place goes to the key
    whose last turn is longest ago, so a new key waits for at most one turn of each other key,
    however many callers those have:

        async with queue.place(user_id):
            ...
    """

    def __init__(self, places: int, *, per_key: int) -> None:
        """Share `places` in total; one key never holds more than `per_key`."""
        self.places = places
        self.per_key = per_key
        self._free = places
        self._taken: Counter[Hashable] = Counter()
        self._lines: OrderedDict[Hashable, deque[Future[None]]] = OrderedDict()

    def waiting(self, key: Hashable) -> int:
        """Return how many callers of this key wait."""
        return len(self._lines.get(key, ()))

    def has_place(self, key: Hashable) -> bool:
        """Return whether a caller of this key would get a place at once."""
        return self._free > 0 and self._taken[key] < self.per_key

    @asynccontextmanager
    async def place(self, key: Hashable) -> AsyncIterator[None]:
        """Wait for a place in the key's line, and hold it within the block."""
        await self.take(key)
        try:
            yield
        finally:
            self.give_back(key)

    def take_free(self, key: Hashable) -> bool:
        """Take a place if one is free for the key; False if the key has to wait."""
        # If a key waits while places are free, it holds `per_key` of them.
        if is_free := self.has_place(key):
            self._hold(key)
        return is_free

    async def take(self, key: Hashable) -> None:
        """Wait for a place in the key's line, and take it until `give_back`."""
        if self.take_free(key):
            return
        turn = get_running_loop().create_future()
        self._lines.setdefault(key, deque()).append(turn)
        try:
            await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self.give_back(key)  # the place and the cancellation came together
            else:
                self._leave(key, turn)
            raise

    def give_back(self, key: Hashable) -> None:
        """Give a place back, and hand it to the next key in turn."""
        self._free += 1
        self._taken[key] -= 1
        if not self._taken[key]:
            del self._taken[key]
        while keys := [*islice(filter(self.has_place, self._lines), 1)]:
            turn = self._first_in_line(keys[0])
            if not turn.done():  # else it is cancelled, but still in line
                self._hold(keys[0])
                turn.set_result(None)

    def _hold(self, key: Hashable) -> None:
        self._free -= 1
        self._taken[key] += 1

    def _first_in_line(self, key: Hashable) -> "Future[None]":
        """Take the first caller from the line, and move the line to the end."""
        line = self._lines[key]
        turn = line.popleft()
        if line:
            self._lines.move_to_end(key)
        else:
            del self._lines[key]
        return turn

    def _leave(self, key: Hashable, turn: "Future[None]") -> None:
        line = self._lines.get(key)
        if line is not None and turn in line:
            line.remove(turn)
            if not line:
                del self._lines[key]
