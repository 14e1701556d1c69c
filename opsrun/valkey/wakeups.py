"""Wake-ups over Redis pub/sub, on one connection per process, which reconnects after an outage.

Pub/sub does not deliver to clients that are not connected. So each time the server confirms a
subscription, its waiters are nudged, because they may have missed a wake-up.

A failover can leave connections to the old primary open, which is a replica then: it answers, but
new connections lead to another server. So each process regularly checks that its server accepts
writes, and that it receives what it publishes.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Self
from uuid import uuid4

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError

from domain.outages import Outage
from domain.wakeups import Waiter
from opsrun.valkey.pool import OUTAGE, redis_pool

logger = logging.getLogger(__name__)

# Seconds that a nudge may take, and that a subscription waits for its confirmation.
PATIENCE = 1.0
# Seconds between two checks of the connections, in which the message of the first must arrive.
CHECK_INTERVAL = 5.0

_CHANNEL = b"opsrun:wakeups"


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
    """The waiters of a topic, and whether the server has confirmed its subscription."""

    def __init__(self) -> None:
        self.waiters: set[_Waiter] = set()
        self.confirmed = asyncio.Event()


class RedisWakeUps:
    """Implements `domain.wakeups.WakeUps` with Redis.

    Example:
        async with RedisWakeUps(url) as wakeups, wakeups.subscribe("runs") as waiter:
            wakeups.nudge("runs")
            assert await waiter.wait(timeout=30.0)
    """

    def __init__(self, url: str) -> None:
        """Prepare for the Redis or Valkey server at `url`, without connecting."""
        # The pool must not reconnect silently: nudges in between would be lost.
        self._redis = Redis.from_pool(redis_pool(url))
        # Always subscribed, for the checks, and because redis-py needs a subscription to read.
        self._own_channel = _CHANNEL + b"/" + uuid4().hex.encode()
        # The topics of nudges that are not sent yet.
        self._nudged: set[str] = set()
        self._sending: asyncio.Task[None] | None = None
        self._topics: dict[bytes, _Topic] = {}
        self._topics_changed = False
        self._reading: asyncio.Timeout | None = None
        self._reading_outage = Outage(
            logger, lost="Lost the wake-ups", back="The wake-ups are back"
        )
        self._sending_outage = Outage(
            logger,
            lost="Cannot send wake-ups; readers must poll",
            back="Wake-ups are sent again",
        )

    async def __aenter__(self) -> Self:
        self._reader = asyncio.create_task(self._read_forever(), name="wake-ups")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._reader.cancel()
        try:
            await asyncio.wait([self._reader])
        finally:
            if self._sending is not None:
                await asyncio.wait([self._sending])
            await self._redis.aclose()

    @property
    def is_away(self) -> bool:
        """Whether wake-ups do not arrive, so that readers poll."""
        return self._reading_outage.is_on

    @property
    def outages(self) -> int:
        """How often the subscription was lost."""
        return self._reading_outage.count

    def nudge(self, *topics: str) -> None:
        """Begin to wake the waiters of these topics in all processes.

        Nudges that arrive while others are on their way are sent together, once for each topic.
        """
        self._nudged.update(topics)
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_nudges())

    async def _send_nudges(self) -> None:
        try:
            while self._nudged:
                topics, self._nudged = self._nudged, set()
                try:
                    async with (
                        asyncio.timeout(PATIENCE),
                        self._redis.pipeline(transaction=False) as pipeline,
                    ):
                        for topic in topics:
                            pipeline.publish(_channel(topic), b"")
                        await pipeline.execute()
                except OUTAGE as error:
                    self._sending_outage.failed(error)
                else:
                    self._sending_outage.recovered()
        finally:
            self._sending = None

    async def ping(self) -> None:
        """Raise an error if Redis does not answer within `PATIENCE`."""
        async with asyncio.timeout(PATIENCE):
            await self._redis.ping()

    @asynccontextmanager
    async def subscribe(self, topic: str) -> AsyncIterator[Waiter]:
        """Listen to `topic` during the context, which misses no nudge.

        If the server does not confirm the subscription within `PATIENCE`, the context opens
        anyway, and the waiter is nudged on confirmation.
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
        """Make the reader adjust its subscriptions; only the reader writes to its connection."""
        self._topics_changed = True
        if self._reading is not None and not self._reading.expired():
            self._reading.reschedule(asyncio.get_running_loop().time())

    async def _read_forever(self) -> None:
        while True:
            try:
                async with self._redis.pubsub() as pubsub:
                    await self._read(pubsub)
            except Exception as error:  # noqa: BLE001 - the reader must never end
                # They may lead to a demoted server.
                with suppress(Exception):
                    await self._redis.connection_pool.disconnect(inuse_connections=False)
                seconds = self._reading_outage.failed(
                    error, with_trace=not isinstance(error, OUTAGE)
                )
                for topic in self._topics.values():
                    topic.confirmed.clear()
                await asyncio.sleep(seconds)

    async def _read(self, pubsub: PubSub) -> None:
        """Deliver messages until the connection breaks or a check fails."""
        clock = asyncio.get_running_loop().time
        await self._check()
        check_at, has_heard = clock() + CHECK_INTERVAL, True
        subscribed: set[bytes] = set()
        self._topics_changed = True
        while True:
            await self._adjust(pubsub, subscribed)
            if message := await self._receive(pubsub, check_at):
                has_heard = has_heard or message["channel"] == self._own_channel
                self._deliver(message)
            if clock() >= check_at:
                if not has_heard:
                    raise RedisConnectionError("The server no longer answers")
                await self._check()
                check_at, has_heard = clock() + CHECK_INTERVAL, False

    async def _check(self) -> None:
        """Send a message to this process; raise ReadOnlyError if the server is a replica."""
        async with (
            asyncio.timeout(PATIENCE),
            self._redis.pipeline(transaction=False) as pipeline,
        ):
            pipeline.publish(self._own_channel, b"")
            # A replica refuses even a write that changes nothing.
            pipeline.delete(self._own_channel)
            _, written = await pipeline.execute(raise_on_error=False)
        if isinstance(written, ReadOnlyError):
            raise written

    async def _adjust(self, pubsub: PubSub, subscribed: set[bytes]) -> None:
        """Subscribe to exactly the topics that have waiters."""
        while self._topics_changed:
            self._topics_changed = False
            self._topics = {
                channel: topic for channel, topic in self._topics.items() if topic.waiters
            }
            channels = {self._own_channel, *self._topics}
            new, old = channels - subscribed, subscribed - channels
            subscribed ^= new | old
            async with asyncio.timeout(PATIENCE):
                if new:
                    await pubsub.subscribe(*new)
                if old:
                    await pubsub.unsubscribe(*old)

    async def _receive(self, pubsub: PubSub, until: float) -> dict[str, Any] | None:
        """Return the next message; None at the time `until` or after a change of topics."""
        try:
            async with asyncio.timeout_at(until) as self._reading:
                message: dict[str, Any] | None = await pubsub.get_message(timeout=None)
        except TimeoutError:
            return None
        finally:
            self._reading = None
        if message is None:
            # redis-py would treat a connection that has timed out as a quiet one.
            raise RedisConnectionError("The connection timed out")
        return message

    def _deliver(self, message: dict[str, Any]) -> None:
        if message["type"] == "subscribe":
            self._reading_outage.recovered()
        topic = self._topics.get(message["channel"])
        if topic is None or message["type"] == "unsubscribe":
            return
        if message["type"] == "subscribe":
            topic.confirmed.set()
        for waiter in topic.waiters:
            waiter.nudged.set()


def _channel(topic: str) -> bytes:
    return _CHANNEL + b":" + topic.encode()
