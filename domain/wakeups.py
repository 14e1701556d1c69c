"""A nudge that something in the database changed: the seam to whatever carries it.

A wake-up may be lost, late or doubled. Whoever waits for one therefore also
looks by itself from time to time; nothing but speed depends on it.
"""

from contextlib import AbstractAsyncContextManager
from typing import Protocol


class Waiter(Protocol):
    """One subscription to a topic."""

    async def wait(self, timeout: float) -> bool:
        """Return True on a nudge, False after `timeout` seconds without one.

        A nudge that came since the last call counts, so none falls between two
        calls; several may be folded into one. After a lost connection was
        restored the waiter is nudged too, since nudges may have been missed.
        """
        ...


class WakeUps(Protocol):
    """Publishes and receives nudges by topic."""

    async def nudge(self, *topics: str) -> None:
        """Wake whoever waits on one of them. Never raises: a lost nudge costs time, not truth."""
        ...

    def subscribe(self, topic: str) -> AbstractAsyncContextManager[Waiter]:
        """Listen to `topic` until the context closes."""
        ...


OUTBOX_TOPIC = "outbox"


def feed_topic(tenant_id: object) -> str:
    """Return the topic of a tenant's event feed."""
    return f"feed:{tenant_id}"
