"""Wake-ups: nudges that something in the database changed.

    async with wakeups.subscribe(feed_topic(tenant_id)) as waiter:
        while True:
            await read_new_events()
            await waiter.wait(2.0)

A wake-up may be lost, late or duplicated. A waiter therefore also looks by itself from time to
time; only speed depends on wake-ups.
"""

from contextlib import AbstractAsyncContextManager
from typing import Protocol


class Waiter(Protocol):
    """One subscription to a topic."""

    async def wait(self, timeout: float) -> bool:
        """Return True on a nudge, False after `timeout` seconds without one.

        A nudge since the last call counts, so none is lost between two calls; several may count
        as one. After a lost connection is restored, the waiter is nudged as well, since nudges
        may have been missed.
        """
        ...


class WakeUps(Protocol):
    """Publishes and receives nudges by topic."""

    async def nudge(self, *topics: str) -> None:
        """Wake the waiters of these topics. Never raises: a lost nudge costs only time."""
        ...

    def subscribe(self, topic: str) -> AbstractAsyncContextManager[Waiter]:
        """Listen to `topic` until the context closes."""
        ...


OUTBOX_TOPIC = "outbox"


def feed_topic(tenant_id: object) -> str:
    """Return the topic of a tenant's event feed."""
    return f"feed:{tenant_id}"
