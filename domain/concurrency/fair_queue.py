"""Places that are handed out fairly: the crowd of one key waits in its own line."""

from asyncio import Future, get_running_loop
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from itertools import islice


class Turn:
    """A place of one caller, who may give it back early, and whose end gives it back at last."""

    def __init__(self, queue: "FairQueue", key: Hashable) -> None:
        """Prepare to wait in the key's line."""
        self._queue = queue
        self._key = key
        self._is_held = False

    @property
    def waiting(self) -> int:
        """How many callers of the key wait."""
        return self._queue.waiting(self._key)

    async def take(self) -> None:
        """Wait for the turn, unless it has come already."""
        if not self._is_held:
            await self._queue.take(self._key)
            self._is_held = True

    def give_back(self) -> None:
        """End the turn, unless it has ended."""
        if self._is_held:
            self._is_held = False
            self._queue.give_back(self._key)


class FairQueue:
    """Hands out a number of places, in turns between the keys that wait for one.

    Within a key the first to come is the first to get a place. A place that becomes free goes
    to the key that has waited longest since its last turn, so a newcomer waits for one turn of
    each other key, however many callers those have:

        async with queue.place(user_id):
            ...
    """

    def __init__(self, places: int, *, per_key: int) -> None:
        """Prepare `places` in all, of which one key never holds more than `per_key`."""
        self.places = places
        self.per_key = per_key
        self._free = places
        self._taken: Counter[Hashable] = Counter()
        self._lines: OrderedDict[Hashable, deque[Future[None]]] = OrderedDict()

    def waiting(self, key: Hashable) -> int:
        """Return how many callers of this key wait."""
        return len(self._lines.get(key, ()))

    @asynccontextmanager
    async def place(self, key: Hashable) -> AsyncIterator[None]:
        """Hold a place within the block; wait for it in the key's line."""
        await self.take(key)
        try:
            yield
        finally:
            self.give_back(key)

    async def take(self, key: Hashable) -> None:
        """Take a place that has to be given back; wait for it in the key's line."""
        # A key that waits while places are free holds as many as it may.
        if self._has_place(key):
            self._hold(key)
            return
        turn = get_running_loop().create_future()
        self._lines.setdefault(key, deque()).append(turn)
        try:
            await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self.give_back(key)  # it came together with the cancellation
            else:
                self._leave(key, turn)
            raise

    def give_back(self, key: Hashable) -> None:
        """Give a place back, to the next one in turn."""
        self._free += 1
        self._taken[key] -= 1
        if not self._taken[key]:
            del self._taken[key]
        while lines := [*islice(filter(self._has_place, self._lines), 1)]:
            turn = self._first_in_line(lines[0])
            if not turn.done():  # else cancelled, but not gone yet
                self._hold(lines[0])
                turn.set_result(None)

    def _hold(self, key: Hashable) -> None:
        self._free -= 1
        self._taken[key] += 1

    def _has_place(self, key: Hashable) -> bool:
        return self._free > 0 and self._taken[key] < self.per_key

    def _first_in_line(self, key: Hashable) -> "Future[None]":
        """Take the first one from the line, which is the last line from now on."""
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
