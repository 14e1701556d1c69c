"""The slots of a worker: how many runs it executes at a time.

The receiver takes a slot before it reads a message, and frees it when `RunRunner.execute` returns.
A run that waits for something outside of Opsrun leaves its slot to another run, and takes a slot
itself when it goes on.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Slot:
    """The slot of one run."""

    def __init__(self, slots: asyncio.Semaphore) -> None:
        self._slots = slots
        self._waits = 0
        self._is_own = False
        self.left = asyncio.Event()
        """Set as soon as the receiver may free its slot."""

    @asynccontextmanager
    async def outside(self) -> AsyncIterator[None]:
        """Leave the slot for the time of the block; blocks may overlap.

        After an error, the run ends, so it takes no slot again.
        """
        self._waits += 1
        if self._waits == 1:
            self.free()
            self.left.set()
        try:
            yield
        finally:
            self._waits -= 1
        if self._waits == 0:
            await self._slots.acquire()
            self._is_own = True

    def free(self) -> None:
        """Free the slot, unless it is the receiver's."""
        if self._is_own:
            self._is_own = False
            self._slots.release()
