"""The stream that carries messages to workers, through every outage of Redis.

Postgres decides; a message only means "look at this run". Messages may be lost, late or
duplicated, so availability comes before exactness: an outage ends neither the listener nor the
running tasks.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ReadOnlyError, RedisError, ResponseError
from taskiq import AckableMessage, AsyncBroker, AsyncTaskiqDecoratedTask
from taskiq.message import BrokerMessage
from taskiq_redis import RedisStreamBroker

from domain.outages import Outage, reason
from workers.names import ANY_NAME, QUEUE

logger = logging.getLogger(__name__)

STREAM_MAXLEN = 100_000
# Seconds that any command except the blocking read may take.
COMMAND_TIMEOUT = 5.0
# A consumer without pending entries counts as dead after this many seconds of silence.
CONSUMER_LIFETIME = 3600.0

_START = b"0-0"
# uvloop raises RuntimeError if the peer has reset a connection.
_OUTAGE = (RedisError, OSError, TimeoutError, RuntimeError)


class NotListeningError(Exception):
    """The listener does not run yet."""


class RunBroker(RedisStreamBroker):
    """A Redis stream with one consumer group, for any number of workers.

    Run its receiver with `AcknowledgeType.WHEN_RECEIVED`, `max_prefetch=0` and a bound on tasks.
    Then an entry is pending only between read and start, a long task is not delivered twice, and
    no worker holds an entry without a free slot.
    """

    def __init__(
        self,
        url: str,
        *,
        queue_name: str = QUEUE,
        idle_timeout: float = 30.0,
        reclaim_interval: float = 15.0,
        block: float = 2.0,
    ) -> None:
        """Prepare a broker without a connection. All times are in seconds.

        Args:
            url: of the Redis or Valkey server.
            queue_name: the key of the stream and the name of its consumer group.
            idle_timeout: the age at which another worker takes over an unacknowledged entry.
            reclaim_interval: the time between two searches for such entries.
            block: the time that one read waits for a new entry.
        """
        super().__init__(
            url,
            queue_name=queue_name,
            consumer_group_name=queue_name,
            xread_block=round(block * 1000),
            maxlen=STREAM_MAXLEN,
            idle_timeout=round(idle_timeout * 1000),
            # With a timeout, redis-py sends through asyncio.wait_for, which can swallow a
            # cancellation in Python 3.11. This module sets deadlines itself.
            socket_timeout=None,
            socket_connect_timeout=COMMAND_TIMEOUT,
            protocol=2,
        )
        self.reclaim_interval = reclaim_interval
        self._redis = Redis(connection_pool=self.connection_pool)
        self._outage = Outage(
            logger,
            lost="Lost the run queue, trying again until it is back",
            back="The run queue is back",
        )
        self.fault: Exception | None = NotListeningError()
        """Why the listener cannot read its queue; None while it can."""

    @property
    def is_away(self) -> bool:
        """Whether the listener cannot read its queue, or does not run."""
        return self.fault is not None

    @property
    def outages(self) -> int:
        """The number of times that the listener lost its queue."""
        return self._outage.count

    def find_task(self, task_name: str) -> AsyncTaskiqDecoratedTask[Any, Any] | None:
        """Return the task of this name, or that of `ANY_NAME`: a receiver drops unknown names."""
        return super().find_task(task_name) or super().find_task(ANY_NAME)

    async def startup(self) -> None:
        """Start, even without Redis: `listen` creates the group later."""
        # Skip RedisStreamBroker.startup, which would create the group or fail.
        await AsyncBroker.startup(self)

    async def shutdown(self) -> None:
        """Leave the group unless entries are pending, and close the connections."""
        with suppress(*_OUTAGE):
            async with asyncio.timeout(COMMAND_TIMEOUT):
                for name, pending, _ in await self._consumers():
                    if name == self.consumer_name and not pending:
                        await self._remove_consumer(name)
        await super().shutdown()

    async def kick(self, message: BrokerMessage) -> None:
        """Append a message to the stream; see `kick_all`. `task.kiq` wraps its errors."""
        await self.kick_all([message])

    async def kick_all(self, messages: Iterable[BrokerMessage]) -> None:
        """Append messages to the stream in one round trip, within `COMMAND_TIMEOUT`.

        Some of them may be in the stream if it raises.

        Raises:
            TimeoutError: Redis did not respond in time.
            redis.RedisError: Redis is down or refused a message.
        """
        try:
            async with (
                asyncio.timeout(COMMAND_TIMEOUT),
                self._redis.pipeline(transaction=False) as pipeline,
            ):
                for message in messages:
                    pipeline.xadd(
                        self.queue_name,
                        {b"data": message.message},
                        maxlen=self.maxlen,
                        approximate=self.approximate,
                    )
                await pipeline.execute()
        except ReadOnlyError:
            await self._leave_replica()
            raise

    async def _leave_replica(self) -> None:
        """Close the connections to a demoted server, which would stay open.

        New ones lead to the primary, once the address does.
        """
        with suppress(*_OUTAGE):
            await self.connection_pool.disconnect(inuse_connections=False)

    async def require_listener(self) -> None:
        """Raise the reason if the listener cannot read its queue."""
        if self.fault is not None:
            raise self.fault.with_traceback(None)

    async def ping(self) -> None:
        """Raise unless Redis responds within `COMMAND_TIMEOUT`."""
        async with asyncio.timeout(COMMAND_TIMEOUT):
            await self._redis.ping()

    async def age(self) -> timedelta | None:
        """Return how long the oldest unread message has waited, by the clock of Redis.

        None if Redis cannot be reached.
        """
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT):
                oldest: Any = await self._redis.xrange(
                    self.queue_name, min=b"(" + await self._last_read(), count=1
                )
                seconds, microseconds = await self._redis.time()
        except _OUTAGE:
            return None
        if not oldest:
            return timedelta(0)
        [(entry_id, _)] = oldest
        sent = timedelta(milliseconds=int(entry_id.partition(b"-")[0]))
        return max(timedelta(seconds=seconds, microseconds=microseconds) - sent, timedelta(0))

    async def _last_read(self) -> bytes:
        """Return the id of the last entry that was read; `_START` if there is none."""
        try:
            groups: Any = await self._redis.xinfo_groups(self.queue_name)
        except ResponseError:  # the stream does not exist yet
            return _START
        read: Any = next(
            (
                group["last-delivered-id"]
                for group in groups
                if group["name"].decode() == self.consumer_group_name
            ),
            _START,
        )
        return bytes(read)

    async def listen(self) -> AsyncGenerator[AckableMessage, None]:
        """Yield messages until closed, and survive outages.

        The receiver asks only if it has a free slot, so each read takes one entry. The search for
        abandoned entries follows the clock, whether or not new ones arrive.
        """
        clock = asyncio.get_running_loop().time
        group_exists = False
        reclaim_at, reclaim_from = clock(), _START
        while True:
            try:
                async with asyncio.timeout(self.block / 1000 + COMMAND_TIMEOUT):
                    if not group_exists:
                        await self._declare_consumer_group()
                        group_exists = True
                    if clock() < reclaim_at:
                        message = await self._read()
                    else:
                        if reclaim_from == _START:
                            await self._remove_dead_consumers()
                        reclaim_from, message = await self._reclaim(reclaim_from)
                        if reclaim_from == _START:
                            reclaim_at = clock() + self.reclaim_interval
            except _OUTAGE as error:
                self.fault = error
                if isinstance(error, ReadOnlyError):
                    await self._leave_replica()
                # The group or the stream may be gone too.
                group_exists, reclaim_from = False, _START
                await asyncio.sleep(self._outage.failed(error))
                continue
            self.fault = None
            self._outage.recovered()
            if message is not None:
                yield message

    async def _declare_consumer_group(self) -> None:
        """Create stream and group if they are missing; a new group reads the whole stream."""
        try:
            await self._redis.xgroup_create(
                self.queue_name, self.consumer_group_name, id=_START, mkstream=True
            )
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    async def _read(self) -> AckableMessage | None:
        """Wait for one new entry; None if the block time passes without one."""
        streams: Any = await self._redis.xreadgroup(
            self.consumer_group_name,
            self.consumer_name,
            {self.queue_name: ">"},
            count=1,
            block=self.block,
        )
        if not streams:
            return None
        [[_, [(entry_id, fields)]]] = streams
        return await self._open(entry_id, fields)

    async def _reclaim(self, start: bytes) -> tuple[bytes, AckableMessage | None]:
        """Take over at most one entry that its reader abandoned.

        Return the message, if there is one, and where to continue: `_START` after the last entry.
        """
        search_on, entries, *_ = await self._redis.xautoclaim(
            self.queue_name,
            self.consumer_group_name,
            self.consumer_name,
            min_idle_time=self.idle_timeout,
            start_id=start,
            count=1,
        )
        for entry_id, fields in entries:
            if entry_id is not None:
                return search_on, await self._open(entry_id, fields)
        return search_on, None

    async def _open(
        self, entry_id: bytes, fields: Mapping[bytes, bytes] | None
    ) -> AckableMessage | None:
        """Return the entry's message; drop an entry without one."""
        data = (fields or {}).get(b"data")
        if data is None:
            logger.warning("Dropped stream entry %s, which is not a message", entry_id.decode())
            await self._ack(entry_id)
            return None
        return AckableMessage(data=data, ack=partial(self._ack, entry_id))

    async def _ack(self, entry_id: bytes) -> None:
        """Remove the entry. Never raises: a remaining entry is delivered and dropped later."""
        try:
            async with (
                asyncio.timeout(COMMAND_TIMEOUT),
                self._redis.pipeline(transaction=False) as pipeline,
            ):
                pipeline.xack(self.queue_name, self.consumer_group_name, entry_id)
                pipeline.xdel(self.queue_name, entry_id)
                await pipeline.execute()
        except _OUTAGE as error:
            logger.warning("Could not acknowledge entry %s: %s", entry_id.decode(), reason(error))

    async def _consumers(self) -> list[tuple[str, int, float]]:
        """Return the group's consumers as (name, pending entries, idle seconds)."""
        consumers: Any = await self._redis.xinfo_consumers(
            self.queue_name, self.consumer_group_name
        )
        return [(c["name"].decode(), c["pending"], c["idle"] / 1000) for c in consumers]

    async def _remove_dead_consumers(self) -> None:
        for name, pending, idle in await self._consumers():
            if name != self.consumer_name and not pending and idle > CONSUMER_LIFETIME:
                await self._remove_consumer(name)

    async def _remove_consumer(self, name: str) -> None:
        await self._redis.xgroup_delconsumer(self.queue_name, self.consumer_group_name, name)
