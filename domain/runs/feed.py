"""Follow a tenant's events live: one reader per tenant and process, shared by all followers.

Followers pull. A bounded buffer holds the newest events; a follower that falls behind the buffer
reads from the database until it has caught up. A slow follower therefore needs no memory, gets
every event exactly once and in order, and delays no other follower.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from contextvars import Context
from itertools import islice
from uuid import UUID

from domain.outages import Outage
from domain.runs.models import FeedCursor, RunEvent
from domain.runs.repository import feed
from domain.runs.repository.rows import UnreadableEventError
from domain.tenancy.session import DatabaseUnavailableError
from domain.tenancy.transactions import Transactions
from domain.wakeups import WakeUps, feed_topic

_BUFFER = 1000
_BATCH = 200

logger = logging.getLogger(__name__)


class FeedGapError(Exception):
    """Some events after this cursor are gone; take a new snapshot."""


class TenantFeed:
    """The live events of one tenant, shared within a process."""

    def __init__(
        self, transactions: Transactions, wakeups: WakeUps, tenant_id: UUID, poll_seconds: float
    ) -> None:
        self._transactions = transactions
        self._wakeups = wakeups
        self._tenant_id = tenant_id
        self._poll_seconds = poll_seconds
        self._buffer: deque[RunEvent] = deque(maxlen=_BUFFER)
        self._head: FeedCursor | None = None
        self._waiting: set[asyncio.Future[bool]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        self._skipped_events = False
        self.followers = 0

    def has_reached(self, cursor: FeedCursor) -> bool:
        """Return whether the reader knows that the cursor is a place in this feed."""
        head = self._head
        return head is not None and cursor.epoch == head.epoch and cursor.seq <= head.seq

    async def after(self, cursor: FeedCursor, timeout: float) -> Sequence[RunEvent]:
        """Return the next events, at most 200; none if there are none within `timeout` seconds.

        All followers that wait share one timer, so some return earlier without events.

        Raises:
            FeedGapError: the cursor is too old, of another epoch, or from the future.
            DatabaseUnavailableError: try again.
        """
        while not self.is_behind(cursor) and await self._wait(timeout):
            pass
        head = self._head
        if head is None or head == cursor:
            return ()
        if cursor.epoch == head.epoch and self._buffer:
            skipped = cursor.seq + 1 - self._buffer[0].seq
            if 0 <= skipped < len(self._buffer):
                return list(islice(self._buffer, skipped, skipped + _BATCH))
        return await self._read(cursor)

    def is_behind(self, cursor: FeedCursor) -> bool:
        """Return whether the reader knows of events after the cursor, or of another epoch."""
        head = self._head
        return head is not None and (cursor.seq < head.seq or cursor.epoch != head.epoch)

    async def _wait(self, timeout: float) -> bool:
        """Wait until the feed grows or a timer ends; return whether it has grown."""
        loop = asyncio.get_running_loop()
        due = loop.time() + timeout
        if self._timer is None or due < self._timer_due:
            self._stop_timer()
            self._timer, self._timer_due = loop.call_at(due, self._wake, False), due
        waiter: asyncio.Future[bool] = loop.create_future()
        self._waiting.add(waiter)
        try:
            return await waiter
        finally:
            self._waiting.discard(waiter)

    def _wake(self, has_grown: bool) -> None:
        self._stop_timer()
        waiting, self._waiting = self._waiting, set()
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(has_grown)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _read(self, cursor: FeedCursor) -> Sequence[RunEvent]:
        async with self._transactions.tenant(self._tenant_id, snapshot=True) as session:
            now = await feed.position(session)
            if not now.covers(cursor):
                raise FeedGapError
            try:
                return await feed.events_after(session, cursor.seq, limit=_BATCH)
            except UnreadableEventError as error:
                raise FeedGapError from error

    async def run(self) -> None:
        """Read new events until cancelled."""
        name = f"feed of tenant {self._tenant_id}"
        outage = Outage(logger, lost=f"Cannot read the {name}", back=f"The {name} is back")
        async with self._wakeups.subscribe(feed_topic(self._tenant_id)) as waiter:
            while True:
                try:
                    has_more = await self._advance()
                    outage.recovered()
                    if not has_more:
                        await waiter.wait(self._poll_seconds)
                except Exception as error:  # noqa: BLE001 - followers rely on the reader
                    is_expected = isinstance(error, DatabaseUnavailableError)
                    await asyncio.sleep(outage.failed(error, with_trace=not is_expected))

    async def _advance(self) -> bool:
        """Read the next batch; return whether more events follow."""
        async with self._transactions.tenant(self._tenant_id, snapshot=True) as session:
            now = await feed.position(session)
            head = self._head
            if head is None or not now.covers(head):
                self._buffer.clear()
                head = now.cursor
                events: Sequence[RunEvent] = ()
            else:
                try:
                    events = await feed.events_after(session, head.seq, limit=_BATCH)
                except UnreadableEventError as error:
                    # Followers meet the gap when they read from the database, and start over.
                    if not self._skipped_events:
                        logger.exception(
                            "The feed of tenant %s skips events that cannot be read",
                            self._tenant_id,
                        )
                    self._skipped_events = True
                    self._buffer.clear()
                    head, events = FeedCursor(head.epoch, error.seq), ()
        if events:
            head = FeedCursor(head.epoch, events[-1].seq)
        if head != self._head:
            self._buffer.extend(events)
            self._head = head
            self._wake(True)
        return head.seq < now.seq


class TenantFeeds:
    """The feeds of all tenants that have followers in this process."""

    def __init__(
        self, transactions: Transactions, wakeups: WakeUps, *, poll_seconds: float = 2.0
    ) -> None:
        self._transactions = transactions
        self._wakeups = wakeups
        self._poll_seconds = poll_seconds
        self._feeds: dict[UUID, tuple[TenantFeed, asyncio.Task[None]]] = {}

    @asynccontextmanager
    async def follow(self, tenant_id: UUID) -> AsyncIterator[TenantFeed]:
        """Follow the tenant's feed; its reader runs while it has followers."""
        if tenant_id not in self._feeds:
            started = TenantFeed(self._transactions, self._wakeups, tenant_id, self._poll_seconds)
            # In a fresh context: the reader outlives the request of its first follower.
            reading = asyncio.create_task(started.run(), context=Context())
            self._feeds[tenant_id] = (started, reading)
        feed_, reader = self._feeds[tenant_id]
        feed_.followers += 1
        try:
            yield feed_
        finally:
            feed_.followers -= 1
            if not feed_.followers:
                del self._feeds[tenant_id]
                # Not awaited: a stream that closes would cancel the await as well.
                reader.cancel()
