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
from opsrun.valkey.pool import OUTAGE, redis_pool

logger = logging.getLogger(__name__)

# Seconds that Redis may take to count, and for which it is left alone when it did not.
_PATIENCE = 0.5
_PAUSE = 5.0
_REFUSED_CAPACITY = 10_000
# Seconds between two counts of what a user's subscriptions take.
_SETTLE_SECONDS = 1.0


@dataclass(slots=True)
class _Debt:
    """What a user has used since their points were counted last."""

    points: int = 0
    settles_at: float = 0.0
    payment: asyncio.Task[None] | None = None


class RedisBudgets:
    """The `gql.limits.budgets.Budgets` of an installation.

    A user's minute begins with the first operation in it. While Redis is away each process
    counts by itself: nobody is refused for an outage, and nobody is let through without bound.
    """

    def __init__(self, redis: RedisStorage, cost_per_minute: int) -> None:
        self._item = RateLimitItemPerMinute(cost_per_minute)
        self._shared = FixedWindowRateLimiter(redis)
        self._own = FixedWindowRateLimiter(MemoryStorage())
        self._away_until = float("-inf")
        self._refused_until: dict[UUID, float] = {}
        # What is paid at a time, so that no payment is more than what another one leaves.
        self._part = max(1, cost_per_minute // 20)
        self._debts: dict[UUID, _Debt] = {}

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

    def owe(self, user_id: UUID, points: int) -> None:
        """Take points as soon as the user has them, without making the caller wait."""
        if points > 0:
            self._pay_soon(user_id, self._debt_of(user_id), points)

    async def settle(self, user_id: UUID, points: int) -> None:
        """Take points for an event of a subscription; wait for them as long as there are none.

        Up to a twentieth of the minute's points is counted here, for `_SETTLE_SECONDS`, before it
        is taken.
        """
        debt = self._debt_of(user_id)
        is_small = debt.points + points <= self._part
        if debt.payment is None and is_small and time.monotonic() < debt.settles_at:
            debt.points += points
        else:
            await asyncio.shield(self._pay_soon(user_id, debt, points))

    def _debt_of(self, user_id: UUID) -> _Debt:
        if len(self._debts) >= _REFUSED_CAPACITY:
            self._debts = {user: debt for user, debt in self._debts.items() if debt.payment}
        return self._debts.setdefault(user_id, _Debt())

    def _pay_soon(self, user_id: UUID, debt: _Debt, points: int) -> asyncio.Task[None]:
        """Let one task pay for all of a user's events that wait."""
        debt.points += points
        if debt.payment is None:
            debt.payment = asyncio.create_task(self._pay(str(user_id), debt))
        return debt.payment

    async def _pay(self, user: str, debt: _Debt) -> None:
        try:
            while debt.points > 0:
                part = min(debt.points, self._part)
                window = await self._short_of(user, part, for_refusal=0)
                if window is not None and 0 < window.remaining < part:
                    part = window.remaining
                    window = await self._short_of(user, part, for_refusal=0)
                if window is None:
                    debt.points -= part
                else:
                    await asyncio.sleep(max(1.0, window.reset_time - time.time()))
        finally:
            debt.settles_at = time.monotonic() + _SETTLE_SECONDS
            debt.payment = None

    async def _short_of(
        self, user: str, points: int, *, for_refusal: int = BASE
    ) -> WindowStats | None:
        """Return the user's minute if there is less left in it; None if they were taken."""
        if time.monotonic() >= self._away_until:
            try:
                async with asyncio.timeout(_PATIENCE):
                    return await self._take(self._shared, user, points, for_refusal)
            except OUTAGE as error:
                logger.warning(
                    "Redis cannot count points, this process counts by itself: %r", error
                )
                self._away_until = time.monotonic() + _PAUSE
        return await self._take(self._own, user, points, for_refusal)

    async def _take(
        self, limiter: FixedWindowRateLimiter, user: str, points: int, for_refusal: int
    ) -> WindowStats | None:
        if not for_refusal and not await limiter.test(self._item, user, cost=points):
            return await limiter.get_window_stats(self._item, user)
        if await limiter.hit(self._item, user, cost=points):
            return None
        # The strategy counts what it refuses.
        key, seconds = self._item.key_for(user), self._item.get_expiry()
        await limiter.storage.incr(key, seconds, amount=for_refusal - points)
        return await limiter.get_window_stats(self._item, user)


def _refusal(reason: str, until: float) -> RateLimitedError:
    seconds = max(1.0, until - time.time())
    return RateLimitedError(
        f"{reason} Try again in {round(seconds)} s, and ask for less or less often.", seconds
    )


@asynccontextmanager
async def open_budgets(redis_url: str, cost_per_minute: int) -> AsyncIterator[RedisBudgets]:
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
        yield RedisBudgets(storage, cost_per_minute)
    finally:
        await pool.aclose()
