"""Follow a tenant's events live: one reader per tenant and process, shared by all followers.

Followers pull. The newest events are in a bounded buffer; a follower that has fallen behind it
reads from the database until it has caught up. So a slow follower costs no memory, sees every
event exactly once and in order, and delays no other.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from contextvars import Context
from itertools import islice
from uuid import UUID

from domain.runs.models import FeedCursor, RunEvent
from domain.runs.repository import feed
from domain.runs.repository.rows import UnreadableEventError
from domain.tenancy.transactions import DatabaseUnavailableError, Transactions
from domain.wakeups import WakeUps, feed_topic

_BUFFER = 1000
_BATCH = 200
_RETRY_SECONDS = 1.0

logger = logging.getLogger(__name__)


class FeedGapError(Exception):
    """The events after this cursor are not all there any more; take a new snapshot."""


class TenantFeed:
    """One tenant's live events, as a process shares them."""

    def __init__(
        self, transactions: Transactions, wakeups: WakeUps, tenant_id: UUID, poll_seconds: float
    ) -> None:
        self._transactions = transactions
        self._wakeups = wakeups
        self._tenant_id = tenant_id
        self._poll_seconds = poll_seconds
        self._buffer: deque[RunEvent] = deque(maxlen=_BUFFER)
        self._head: FeedCursor | None = None
        self._grown = asyncio.Condition()
        self._skipped_events = False
        self.followers = 0

    async def after(self, cursor: FeedCursor, timeout: float) -> Sequence[RunEvent]:
        """Return the next events, at most 200; none after `timeout` seconds without any.

        Raises:
            FeedGapError: the cursor is too old, of another epoch, or from the future.
            DatabaseUnavailableError: reading the past failed; try again.
        """
        async with self._grown:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._grown.wait_for(lambda: self._is_behind(cursor))
            head = self._head
            if head is None or head == cursor:
                return ()
            if cursor.epoch == head.epoch and self._buffer:
                skipped = cursor.seq + 1 - self._buffer[0].seq
                if 0 <= skipped < len(self._buffer):
                    return list(islice(self._buffer, skipped, skipped + _BATCH))
        return await self._read(cursor)

    def _is_behind(self, cursor: FeedCursor) -> bool:
        head = self._head
        return head is not None and (cursor.seq < head.seq or cursor.epoch != head.epoch)

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
        async with self._wakeups.subscribe(feed_topic(self._tenant_id)) as waiter:
            while True:
                try:
                    if not await self._advance():
                        await waiter.wait(self._poll_seconds)
                except DatabaseUnavailableError as error:
                    logger.warning("Feed of tenant %s waits: %s", self._tenant_id, error)
                    await asyncio.sleep(_RETRY_SECONDS)
                except Exception:
                    # If the reader ended here, its followers would wait without end.
                    logger.exception("Feed of tenant %s failed, trying again", self._tenant_id)
                    await asyncio.sleep(_RETRY_SECONDS)

    async def _advance(self) -> bool:
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
                    # Followers find the gap when they read from the database, and start over.
                    if not self._skipped_events:
                        logger.exception(
                            "Feed of tenant %s passes over events that cannot be read",
                            self._tenant_id,
                        )
                    self._skipped_events = True
                    self._buffer.clear()
                    head, events = FeedCursor(head.epoch, error.seq), ()
        if events:
            head = FeedCursor(head.epoch, events[-1].seq)
        if head != self._head:
            async with self._grown:
                self._buffer.extend(events)
                self._head = head
                self._grown.notify_all()
        return head.seq < now.seq


class TenantFeeds:
    """The feeds that this process has followers for."""

    def __init__(
        self, transactions: Transactions, wakeups: WakeUps, *, poll_seconds: float = 2.0
    ) -> None:
        self._transactions = transactions
        self._wakeups = wakeups
        self._poll_seconds = poll_seconds
        self._feeds: dict[UUID, tuple[TenantFeed, asyncio.Task[None]]] = {}

    @asynccontextmanager
    async def follow(self, tenant_id: UUID) -> AsyncIterator[TenantFeed]:
        """Share the tenant's feed; its reader starts with the first and ends with the last."""
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
                # Not awaited: a closing stream would cancel the await as well.
                reader.cancel()
