"""Every user's points per minute, counted in Redis for all API processes together."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from limits import RateLimitItemPerMinute, WindowStats
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter

from domain.errors import RateLimitedError
from gql.limits.cost import BASE
from opsrun.redis_pool import OUTAGE, redis_pool

logger = logging.getLogger(__name__)

# Seconds that Redis may take to count, and for which it is left alone when it did not.
_PATIENCE = 0.5
_PAUSE = 5.0
_REFUSED_CAPACITY = 10_000
# Seconds between two counts of what a user's subscriptions take.
_SETTLE_SECONDS = 1.0


@dataclass(slots=True)
class _Owed:
    """What a user's subscriptions have taken since their points were counted last."""

    points: int = 0
    settles_at: float = 0.0
    resumes_at: float = 0.0


class RedisBudgets:
    """The `gql.limits.budgets.Budgets` of an installation.

    A user's minute begins with the first operation in it. While Redis is away each process
    counts by itself: nobody is refused for an outage, and nobody is let through without bound.
    """

    def __init__(self, redis: RedisStorage, points_per_minute: int) -> None:
        self._item = RateLimitItemPerMinute(points_per_minute)
        self._shared = FixedWindowRateLimiter(redis)
        self._own = FixedWindowRateLimiter(MemoryStorage())
        self._away_until = float("-inf")
        self._refused_until: dict[UUID, float] = {}
        self._owed: dict[UUID, _Owed] = {}

    def require(self, user_id: UUID) -> None:
        """Refuse a user who has nothing left, as far as this process knows."""
        until = self._refused_until.get(user_id)
        if until is None:
            return
        if until > time.time():
            raise _refusal(f"You have used your {self._item.amount} points of this minute.", until)
        del self._refused_until[user_id]

    async def spend(self, user_id: UUID, points: int) -> None:
        """Take points from what is left of the user's minute, or `BASE` for a refusal.

        Raises:
            RateLimitedError: there are not that many left.
        """
        if (window := await self._short_of(str(user_id), points)) is None:
            return
        if window.remaining < BASE:
            if len(self._refused_until) >= _REFUSED_CAPACITY:
                self._refused_until.clear()
            self._refused_until[user_id] = window.reset_time
        raise _refusal(
            f"This costs {points} points, and {window.remaining} of your {self._item.amount} of"
            " this minute are left.",
            window.reset_time,
        )

    async def settle(self, user_id: UUID, points: int) -> None:
        """Take points for an event of a subscription; wait for them as long as there are none.

        Events are counted here, and taken from the minute once in `_SETTLE_SECONDS`.
        """
        if len(self._owed) >= _REFUSED_CAPACITY:
            self._owed = {user: owed for user, owed in self._owed.items() if owed.points}
        owed = self._owed.setdefault(user_id, _Owed())
        owed.points += points
        while True:
            if (wait := owed.resumes_at - time.monotonic()) > 0:
                await asyncio.sleep(wait)
                continue
            if time.monotonic() < owed.settles_at:
                return
            owed.settles_at = time.monotonic() + _SETTLE_SECONDS
            due, owed.points = owed.points, 0
            try:
                await self.spend(user_id, min(due, self._item.amount))
            except RateLimitedError as error:
                owed.points += due
                owed.resumes_at = time.monotonic() + error.retry_after
                owed.settles_at = 0.0
            else:
                return

    async def _short_of(self, user: str, points: int) -> WindowStats | None:
        """Return the user's minute if there is less left in it; None if they were taken."""
        if time.monotonic() >= self._away_until:
            try:
                async with asyncio.timeout(_PATIENCE):
                    return await self._take(self._shared, user, points)
            except OUTAGE as error:
                logger.warning(
                    "Redis cannot count points, this process counts by itself: %r", error
                )
                self._away_until = time.monotonic() + _PAUSE
        return await self._take(self._own, user, points)

    async def _take(
        self, limiter: FixedWindowRateLimiter, user: str, points: int
    ) -> WindowStats | None:
        if await limiter.hit(self._item, user, cost=points):
            return None
        # The strategy counts what it refuses.
        key, seconds = self._item.key_for(user), self._item.get_expiry()
        await limiter.storage.incr(key, seconds, amount=BASE - points)
        return await limiter.get_window_stats(self._item, user)


def _refusal(reason: str, until: float) -> RateLimitedError:
    seconds = max(1.0, until - time.time())
    return RateLimitedError(
        f"{reason} Try again in {round(seconds)} s, and ask for less or less often.", seconds
    )


@asynccontextmanager
async def open_budgets(redis_url: str, points_per_minute: int) -> AsyncIterator[RedisBudgets]:
    """Open the accounts in Redis; closing them leaves what was counted."""
    pool = redis_pool(redis_url)
    try:
        storage = RedisStorage(
            f"async+{redis_url}",
            implementation="redispy",
            key_prefix="opsrun:points",
            # Typed too narrowly: a pool is handed on as it is.
            connection_pool=cast("Any", pool),
        )
        yield RedisBudgets(storage, points_per_minute)
    finally:
        await pool.aclose()
