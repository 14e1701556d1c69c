"""How a group sends to a subscriber without waiting for its client."""

from collections.abc import Coroutine, Generator
from typing import Any, Protocol

from gql.live.events import SharedResult


class Begun:
    """The rest of a coroutine that has begun to wait; await it once, in any task."""

    def __init__(self, coroutine: Coroutine[Any, Any, None], waits_for: object) -> None:
        self._coroutine = coroutine
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, None]:
        try:
            while True:
                try:
                    value = yield self._waits_for
                except BaseException as error:  # noqa: BLE001 - the coroutine decides
                    self._waits_for = self._coroutine.throw(error)
                else:
                    self._waits_for = self._coroutine.send(value)
        except StopIteration:
            return


def begin(coroutine: Coroutine[Any, Any, None]) -> Begun | None:
    """Run a coroutine until it has to wait, and return its rest; None if it has ended.

    A send to a client that reads ends at once, and so costs neither a task nor a timer.
    """
    try:
        return Begun(coroutine, coroutine.send(None))
    except StopIteration:
        return None


class Outlet(Protocol):
    """Sends results to one subscriber."""

    def begin(self, result: SharedResult) -> Begun | None:
        """Begin to send a result in any task, and return what is left to do.

        Raises:
            Exception: the client has left; `send` will deal with it.
        """
        ...

    async def send(self, result: SharedResult) -> None:
        """Send a result in the subscriber's own task, which ends if the client has left."""
        ...

    async def finish(self, begun: Begun) -> None:
        """Do what is left in the subscriber's own task, which ends if the client does not read."""
        ...
