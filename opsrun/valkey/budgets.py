"""The budgets of users, counted in Redis over all API processes."""

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

# Seconds that Redis may take to count.
_TIMEOUT = 0.5
# Seconds until Redis is tried again after a failure.
_PAUSE = 5.0
_REFUSED_CAPACITY = 10_000
# Seconds for which the cost of a user's subscriptions is counted in this process.
_SETTLE_SECONDS = 1.0


@dataclass(slots=True)
class _Debt:
    """The cost of a user that Redis has not counted yet."""

    cost: int = 0
    settles_at: float = 0.0
    payment: asyncio.Task[None] | None = None


class RedisBudgets:
    """Implements `gql.limits.budgets.Budgets` in Redis.

    A user's minute begins with their first operation in it. While Redis is unavailable, each
    process counts separately: users are still limited, and an outage refuses none of them.
    """

    def __init__(self, redis: RedisStorage, cost_per_minute: int) -> None:
        self._item = RateLimitItemPerMinute(cost_per_minute)
        self._shared = FixedWindowRateLimiter(redis)
        self._local = FixedWindowRateLimiter(MemoryStorage())
        self._unavailable_until = float("-inf")
        self._refused_until: dict[UUID, float] = {}
        # The most that a payment takes at once, so that it does not wait for most of the budget.
        self._part = max(1, cost_per_minute // 20)
        self._debts: dict[UUID, _Debt] = {}

    def require(self, user_id: UUID) -> None:
        """Raise RateLimitedError if this process knows that the user's budget is spent."""
        until = self._refused_until.get(user_id)
        if until is None:
            return
        if until > time.time():
            raise _refusal(f"You have used your budget of {self._item.amount} a minute.", until)
        del self._refused_until[user_id]

    async def spend(self, user_id: UUID, cost: int) -> None:
        """Take a cost from the user's budget.

        Raises:
            RateLimitedError: the budget does not cover it; only `BASE` is taken.
        """
        if (window := await self._try_spend(str(user_id), cost)) is None:
            return
        if window.remaining < BASE:
            if len(self._refused_until) >= _REFUSED_CAPACITY:
                self._refused_until.clear()
            self._refused_until[user_id] = window.reset_time
        raise _refusal(
            f"This costs {cost}, but only {window.remaining} of your budget of"
            f" {self._item.amount} a minute are left.",
            window.reset_time,
        )

    def owe(self, user_id: UUID, cost: int) -> None:
        """Take a cost in the background, as soon as the budget covers it."""
        if cost > 0:
            self._pay_soon(user_id, self._debt_of(user_id), cost)

    async def settle(self, user_id: UUID, cost: int) -> None:
        """Take the cost of a subscription's event; wait until the budget covers it.

        Up to a twentieth of the budget is counted in this process for `_SETTLE_SECONDS` and then
        taken together.
        """
        debt = self._debt_of(user_id)
        is_small = debt.cost + cost <= self._part
        if debt.payment is None and is_small and time.monotonic() < debt.settles_at:
            debt.cost += cost
        else:
            await asyncio.shield(self._pay_soon(user_id, debt, cost))

    def _debt_of(self, user_id: UUID) -> _Debt:
        if len(self._debts) >= _REFUSED_CAPACITY:
            self._debts = {user: debt for user, debt in self._debts.items() if debt.payment}
        return self._debts.setdefault(user_id, _Debt())

    def _pay_soon(self, user_id: UUID, debt: _Debt, cost: int) -> asyncio.Task[None]:
        """Return the task that pays for all waiting events of a user."""
        debt.cost += cost
        if debt.payment is None:
            debt.payment = asyncio.create_task(self._pay(str(user_id), debt))
        return debt.payment

    async def _pay(self, user: str, debt: _Debt) -> None:
        try:
            while debt.cost > 0:
                part = min(debt.cost, self._part)
                window = await self._try_spend(user, part, for_refusal=0)
                if window is not None and 0 < window.remaining < part:
                    part = window.remaining
                    window = await self._try_spend(user, part, for_refusal=0)
                if window is None:
                    debt.cost -= part
                else:
                    await asyncio.sleep(max(1.0, window.reset_time - time.time()))
        finally:
            debt.settles_at = time.monotonic() + _SETTLE_SECONDS
            debt.payment = None

    async def _try_spend(
        self, user: str, cost: int, *, for_refusal: int = BASE
    ) -> WindowStats | None:
        """Take a cost and return None; if too little is left, return the user's minute."""
        if time.monotonic() >= self._unavailable_until:
            try:
                async with asyncio.timeout(_TIMEOUT):
                    return await self._take(self._shared, user, cost, for_refusal)
            except OUTAGE as error:
                logger.warning(
                    "Redis cannot count budgets; this process counts separately: %r", error
                )
                self._unavailable_until = time.monotonic() + _PAUSE
        return await self._take(self._local, user, cost, for_refusal)

    async def _take(
        self, limiter: FixedWindowRateLimiter, user: str, cost: int, for_refusal: int
    ) -> WindowStats | None:
        if not for_refusal and not await limiter.test(self._item, user, cost=cost):
            return await limiter.get_window_stats(self._item, user)
        if await limiter.hit(self._item, user, cost=cost):
            return None
        # The strategy also counts a refused cost, so take it back.
        key, seconds = self._item.key_for(user), self._item.get_expiry()
        await limiter.storage.incr(key, seconds, amount=for_refusal - cost)
        return await limiter.get_window_stats(self._item, user)


def _refusal(reason: str, until: float) -> RateLimitedError:
    seconds = max(1.0, until - time.time())
    return RateLimitedError(
        f"{reason} Try again in {round(seconds)} s, and ask for less or less often.", seconds
    )


@asynccontextmanager
async def open_budgets(redis_url: str, cost_per_minute: int) -> AsyncIterator[RedisBudgets]:
    """Connect to the budgets in Redis; closing leaves the counts."""
    pool = redis_pool(redis_url)
    try:
        storage = RedisStorage(
            f"async+{redis_url}",
            implementation="redispy",
            key_prefix="opsrun:cost",
            # Typed too narrowly: the pool is passed on unchanged.
            connection_pool=cast("Any", pool),
        )
        yield RedisBudgets(storage, cost_per_minute)
    finally:
        await pool.aclose()
