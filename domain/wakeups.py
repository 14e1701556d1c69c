"""Wake-ups: hints that something in the database changed.

A wake-up can be lost, late or duplicated. Waiters therefore also poll: wake-ups make them faster,
not correct.
"""

from contextlib import AbstractAsyncContextManager
from typing import Protocol


class Waiter(Protocol):
    """One subscription to a topic."""

    async def wait(self, timeout: float) -> bool:
        """Return True after a wake-up, False after `timeout` seconds without one.

        Wake-ups between two calls count, and several may count as one. A restored connection
        counts as a wake-up too, because some may have been missed.
        """
        ...


class WakeUps(Protocol):
    """Publishes and receives wake-ups by topic.

    async with wakeups.subscribe(feed_topic(tenant_id)) as waiter:
        while True:
            await read_new_events()
            await waiter.wait(2.0)
    """

    def nudge(self, *topics: str) -> None:
        """Begin to wake the waiters of these topics; a lost wake-up costs only time."""
        ...

    def subscribe(self, topic: str) -> AbstractAsyncContextManager[Waiter]:
        """Listen to `topic` within the block."""
        ...


OUTBOX_TOPIC = "outbox"


def feed_topic(tenant_id: object) -> str:
    """Return the topic of a tenant's event feed."""
    return f"feed:{tenant_id}"
