"""The budgets of users, counted in Redis over all API processes."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from domain.errors import RateLimitedError
from gql.limits.cost import BASE
from opsrun.valkey.pipeline import Pipeline
from opsrun.valkey.pool import OUTAGE, redis_pool

logger = logging.getLogger(__name__)

# Seconds of a user's minute.
_MINUTE = 60.0
# Seconds until Redis is tried again after a failure.
_PAUSE = 5.0
_CAPACITY = 10_000
# Seconds for which the cost of a user's subscriptions is counted in this process.
_SETTLE_SECONDS = 1.0
# Takes a cost from a user's minute, or, if it does not cover that, the cost of the refusal. Returns
# whether it took the cost, what is then spent, and the milliseconds that are left.
_SPEND = """
local limit, cost, refusal = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local spent = tonumber(redis.call('GET', KEYS[1]) or '0')
local covered = spent + cost <= limit
spent = redis.call('INCRBY', KEYS[1], covered and cost or refusal)
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
  left = tonumber(ARGV[4])
  redis.call('PEXPIRE', KEYS[1], left)
end
return {covered and 1 or 0, spent, left}
"""


class _Minute(NamedTuple):
    """What is left of a user's budget, and the time at which it is full again."""

    remaining: int
    ends_at: float


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

    def __init__(self, redis: Pipeline, cost_per_minute: int) -> None:
        self._limit = cost_per_minute
        self._redis = redis
        # What users have spent while Redis was unavailable.
        self._local: dict[str, _Minute] = {}
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
            raise _refusal(f"You have used your budget of {self._limit} a minute.", until)
        del self._refused_until[user_id]

    async def spend(self, user_id: UUID, cost: int) -> None:
        """Take a cost from the user's budget.

        Raises:
            RateLimitedError: the budget does not cover it; only `BASE` is taken.
        """
        if (minute := await self._try_spend(str(user_id), cost)) is None:
            return
        if minute.remaining < BASE:
            if len(self._refused_until) >= _CAPACITY:
                self._refused_until.clear()
            self._refused_until[user_id] = minute.ends_at
        raise _refusal(
            f"This costs {cost}, but only {minute.remaining} of your budget of"
            f" {self._limit} a minute are left.",
            minute.ends_at,
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
        if len(self._debts) >= _CAPACITY:
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
                minute = await self._try_spend(user, part, for_refusal=0)
                if minute is not None and 0 < minute.remaining < part:
                    part = minute.remaining
                    minute = await self._try_spend(user, part, for_refusal=0)
                if minute is None:
                    debt.cost -= part
                else:
                    await asyncio.sleep(max(1.0, minute.ends_at - time.time()))
        finally:
            debt.settles_at = time.monotonic() + _SETTLE_SECONDS
            debt.payment = None

    async def _try_spend(self, user: str, cost: int, *, for_refusal: int = BASE) -> _Minute | None:
        """Take a cost and return None; if too little is left, return the user's minute."""
        if time.monotonic() >= self._unavailable_until:
            try:
                covered, spent, left = await self._redis.send(
                    *("EVAL", _SPEND, 1, f"opsrun:cost:{user}"),
                    *(self._limit, cost, for_refusal, round(_MINUTE * 1000)),
                )
            except OUTAGE as error:
                # Concurrent operations fail together.
                if time.monotonic() >= self._unavailable_until:
                    logger.warning(
                        "Redis cannot count budgets; this process counts separately: %r", error
                    )
                self._unavailable_until = time.monotonic() + _PAUSE
            else:
                remaining = max(0, self._limit - spent)
                return None if covered else _Minute(remaining, time.time() + left / 1000)
        return self._spend_here(user, cost, for_refusal)

    def _spend_here(self, user: str, cost: int, for_refusal: int) -> _Minute | None:
        now = time.time()
        minute = self._local.get(user)
        if minute is None or minute.ends_at <= now:
            self._local.pop(user, None)
            if len(self._local) >= _CAPACITY:
                # The first one ends first.
                del self._local[next(iter(self._local))]
            minute = _Minute(self._limit, now + _MINUTE)
        is_covered = cost <= minute.remaining
        remaining = max(0, minute.remaining - (cost if is_covered else for_refusal))
        self._local[user] = minute = _Minute(remaining, minute.ends_at)
        return None if is_covered else minute


def _refusal(reason: str, until: float) -> RateLimitedError:
    seconds = max(1.0, until - time.time())
    return RateLimitedError(
        f"{reason} Try again in {round(seconds)} s, and ask for less or less often.", seconds
    )


@asynccontextmanager
async def open_budgets(redis_url: str, cost_per_minute: int) -> AsyncIterator[RedisBudgets]:
    """Connect to the budgets in Redis; closing leaves the counts."""
    pool = redis_pool(redis_url)
    pipeline = Pipeline(pool)
    try:
        yield RedisBudgets(pipeline, cost_per_minute)
    finally:
        await pipeline.aclose()
