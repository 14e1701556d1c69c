"""Wake-ups over Redis pub/sub: one connection per process, whatever happens to Redis.

Pub/sub forgets whoever is not connected at the moment. So each time the server confirms
a subscription, the first as well as one renewed after an outage, its waiters are nudged:
there may have been something to miss.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Self

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.backoff import EqualJitterBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

from domain.wakeups import Waiter
from opsrun.valkey.pool import OUTAGE, redis_pool

logger = logging.getLogger(__name__)

# Seconds that a nudge may take, and that a new subscription waits to be confirmed.
PATIENCE = 1.0
# Seconds of silence after which the server is pinged, and without an answer then given up.
PING_INTERVAL = 5.0

# Always subscribed, so that the connection is in use however few topics there are.
_CHANNEL = b"opsrun:wakeups"
_BACKOFF = EqualJitterBackoff(cap=3.0, base=0.1)
# The backoff turns 2**failures into a float, which overflows after an hour of outage.
_BACKOFF_STEPS = 10


class _Waiter:
    def __init__(self) -> None:
        self.nudged = asyncio.Event()

    async def wait(self, timeout: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self.nudged.wait()
                self.nudged.clear()
                return True
        return False


class _Topic:
    """The waiters of one topic, and whether the server knows that there are any."""

    def __init__(self) -> None:
        self.waiters: set[_Waiter] = set()
        self.confirmed = asyncio.Event()


class RedisWakeUps:
    """The `domain.wakeups.WakeUps` of a process, open as an async context manager."""

    def __init__(self, url: str) -> None:
        """Prepare for the Redis or Valkey server at `url`; nothing is connected yet."""
        # It mends no connection by itself: nobody would make up for the nudges lost meanwhile.
        self._redis = Redis.from_pool(redis_pool(url))
        self._topics: dict[bytes, _Topic] = {}
        self._topics_changed = False
        self._reading: asyncio.Timeout | None = None
        self._read_failures = 0
        self._nudging_fails = False
        self.outages = 0

    async def __aenter__(self) -> Self:
        self._reader = asyncio.create_task(self._read_forever(), name="wake-ups")
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._reader.cancel()
        try:
            await asyncio.wait([self._reader])
        finally:
            await self._redis.aclose()

    @property
    def is_away(self) -> bool:
        """Whether wake-ups do not reach us, so that readers poll."""
        return self._read_failures > 0

    async def nudge(self, *topics: str) -> None:
        """Wake whoever waits on one of them, anywhere. Never raises; takes `PATIENCE` at most."""
        try:
            async with (
                asyncio.timeout(PATIENCE),
                self._redis.pipeline(transaction=False) as pipeline,
            ):
                for topic in topics:
                    pipeline.publish(_channel(topic), b"")
                await pipeline.execute()
        except OUTAGE as error:
            if not self._nudging_fails:
                logger.warning("Cannot send wake-ups, their readers must poll: %s", _reason(error))
            self._nudging_fails = True
        else:
            self._nudging_fails = False

    async def ping(self) -> None:
        """Raise what keeps us from Redis, if anything does; takes `PATIENCE` at most."""
        async with asyncio.timeout(PATIENCE):
            await self._redis.ping()

    @asynccontextmanager
    async def subscribe(self, topic: str) -> AsyncIterator[Waiter]:
        """Listen to `topic` until the context closes.

        From entry on no nudge is missed. If the server does not confirm that within
        `PATIENCE`, the context opens anyway, and the waiter is nudged once it does.
        """
        waiter = _Waiter()
        shared = self._topics.setdefault(_channel(topic), _Topic())
        shared.waiters.add(waiter)
        self._note_change()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    await shared.confirmed.wait()
                    waiter.nudged.clear()
            yield waiter
        finally:
            shared.waiters.discard(waiter)
            self._note_change()

    def _note_change(self) -> None:
        """Have the reader adjust its subscriptions; nobody else writes to its connection."""
        self._topics_changed = True
        if self._reading is not None and not self._reading.expired():
            self._reading.reschedule(asyncio.get_running_loop().time())

    async def _read_forever(self) -> None:
        while True:
            try:
                async with self._redis.pubsub() as pubsub:
                    await self._read(pubsub)
            except Exception as error:
                # Anything else, too: a reader that ended would go unnoticed.
                if not self._read_failures:
                    self.outages += 1
                    unforeseen = not isinstance(error, OUTAGE)
                    logger.warning("Lost the wake-ups: %s", _reason(error), exc_info=unforeseen)
                self._read_failures += 1
                for topic in self._topics.values():
                    topic.confirmed.clear()
                await asyncio.sleep(_BACKOFF.compute(min(self._read_failures, _BACKOFF_STEPS)))

    async def _read(self, pubsub: PubSub) -> None:
        """Pass on what arrives, until the connection breaks or falls silent."""
        clock = asyncio.get_running_loop().time
        silent_since, pinged = clock(), False
        subscribed: set[bytes] = set()
        self._topics_changed = True
        while True:
            await self._adjust(pubsub, subscribed)
            if message := await self._receive(pubsub):
                silent_since, pinged = clock(), False
                self._pass_on(message)
            # uvloop's clock counts whole milliseconds: an interval's end may be exactly then.
            elif clock() - silent_since >= PING_INTERVAL:
                if pinged:
                    raise RedisConnectionError("The server no longer answers")
                async with asyncio.timeout(PATIENCE):
                    await pubsub.ping()
                silent_since, pinged = clock(), True

    async def _adjust(self, pubsub: PubSub, subscribed: set[bytes]) -> None:
        """Bring the connection's subscriptions in line with the topics that have waiters."""
        while self._topics_changed:
            self._topics_changed = False
            self._topics = {
                channel: topic for channel, topic in self._topics.items() if topic.waiters
            }
            wanted = {_CHANNEL, *self._topics}
            new, old = wanted - subscribed, subscribed - wanted
            subscribed ^= new | old
            async with asyncio.timeout(PATIENCE):
                if new:
                    await pubsub.subscribe(*new)
                if old:
                    await pubsub.unsubscribe(*old)

    async def _receive(self, pubsub: PubSub) -> dict[str, Any] | None:
        """Return the next message; None after `PING_INTERVAL`, or when the topics change."""
        try:
            async with asyncio.timeout(PING_INTERVAL) as self._reading:
                message: dict[str, Any] | None = await pubsub.get_message(timeout=None)
        except TimeoutError:
            return None
        finally:
            self._reading = None
        if message is None:
            # redis-py takes a socket that timed out for a quiet one, and would do so for ever.
            raise RedisConnectionError("The connection timed out")
        return message

    def _pass_on(self, message: dict[str, Any]) -> None:
        if message["type"] == "subscribe" and self._read_failures:
            logger.info("The wake-ups are back")
            self._read_failures = 0
        topic = self._topics.get(message["channel"])
        if topic is None or message["type"] == "unsubscribe":
            return
        if message["type"] == "subscribe":
            topic.confirmed.set()
        for waiter in topic.waiters:
            waiter.nudged.set()


def _channel(topic: str) -> bytes:
    return _CHANNEL + b":" + topic.encode()


def _reason(error: Exception) -> str:
    """Name the error's kind too: a timeout has no text of its own."""
    return f"{type(error).__name__}: {error}"
