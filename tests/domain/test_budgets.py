"""All processes together keep a limit of requests, whatever they do at the same time."""

import asyncio
import random
from datetime import timedelta
from time import monotonic
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from domain.budgets import repository
from domain.budgets.repository import TRAVEL
from domain.budgets.service import RequestBudgets
from opsrun.postgres.engines import Login
from tests.world import World

WINDOW = timedelta(seconds=20)
# Seconds for which a take counts.
SPAN = int((WINDOW + TRAVEL).total_seconds()) + 1


class Budget:
    """One budget with a limit of 10, and a clock that the test moves."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.owner = uuid4().hex
        transactions = world.resources[Login.WORKER].transactions
        self.budgets = RequestBudgets(transactions, world.tenant_id)

    async def take(self, requests: int, area: str = "a") -> float:
        return await self.budgets.take(self.owner, area, requests, limit=10, window=WINDOW)

    async def pass_time(self, seconds: float) -> None:
        """Let everything that was recorded be older."""
        await self.write(
            "UPDATE opsrun.request_budget SET seconds = ARRAY(SELECT s - :shift FROM"
            " unnest(seconds) WITH ORDINALITY AS u (s, n) ORDER BY n),"
            " closed_until = closed_until - make_interval(secs => :shift) WHERE owner = :owner",
            shift=seconds,
        )

    async def write(self, sql: str, **values: Any) -> None:
        async with self.world.resources[Login.MAINTENANCE].transactions.installation() as session:
            await session.execute(text(sql), {"owner": self.owner, **values})

    async def row(self) -> Any:
        query = text("SELECT * FROM opsrun.request_budget WHERE owner = :owner")
        async with self.world.resources[Login.MAINTENANCE].transactions.installation() as session:
            return await session.one(query, {"owner": self.owner})


@pytest.fixture
def budget(world: World) -> Budget:
    return Budget(world)


async def test_a_budget_is_refused_when_it_is_used_up(budget: Budget) -> None:
    assert [await budget.take(4), await budget.take(6)] == [0.0, 0.0]
    seconds = await budget.take(1)
    assert SPAN - 2 <= seconds <= SPAN
    # Another area, and another owner, have other budgets.
    assert await budget.take(10, "another") == 0.0
    assert await Budget(budget.world).take(10) == 0.0


async def test_a_refusal_takes_nothing(budget: Budget) -> None:
    await budget.take(9)
    assert await budget.take(2) > 0
    assert await budget.take(1) == 0.0


async def test_a_budget_is_full_again_after_the_window(budget: Budget) -> None:
    await budget.take(6)
    await budget.pass_time(10)
    await budget.take(4)
    assert 0 < await budget.take(1) <= SPAN - 9
    await budget.pass_time(SPAN - 10)
    assert await budget.take(6) == 0.0
    assert await budget.take(1) > 0
    row = await budget.row()
    assert len(row.seconds) == len(row.counts) <= 2


async def test_a_closed_budget_is_closed_for_everybody(budget: Budget) -> None:
    await budget.budgets.close(budget.owner, "a", 30)
    await budget.budgets.close(budget.owner, "a", 5)
    assert 28 < await budget.take(1) <= 30
    await budget.pass_time(31)
    assert await budget.take(10) == 0.0
    await budget.budgets.close(budget.owner, "a", 3)
    assert await budget.take(1) > 3


async def test_a_closed_budget_opens_as_soon_as_it_may(budget: Budget) -> None:
    await budget.take(1)
    await budget.budgets.close(budget.owner, "a", 3)
    assert 2 < await budget.take(1) <= 3


async def test_a_refusal_says_when_enough_is_free(budget: Budget) -> None:
    await budget.take(6)
    await budget.pass_time(10)
    await budget.take(4)
    assert SPAN - 12 <= await budget.take(6) <= SPAN - 10
    assert SPAN - 2 <= await budget.take(7) <= SPAN


async def test_takes_at_the_same_time_never_exceed_the_limit(budget: Budget) -> None:
    answers = await asyncio.gather(*(budget.take(1) for _ in range(40)))
    assert answers.count(0.0) == 10
    assert sum((await budget.row()).counts) == 10


async def test_processes_never_exceed_the_limit_in_any_window(budget: Budget) -> None:
    """The takes of two engines, in real time, against a window that slides over each of them."""
    window, limit, takes = timedelta(0), 20, list[tuple[float, int]]()

    async def work(login: Login, seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311 - no secret
        budgets = RequestBudgets(budget.world.resources[login].transactions, budget.world.tenant_id)
        while sum(requests for _, requests in takes) <= limit:
            requests = chance.randint(1, 5)
            seconds = await budgets.take(budget.owner, "a", requests, limit=limit, window=window)
            if seconds:
                await asyncio.sleep(seconds)
            else:
                takes.append((monotonic(), requests))

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        for seed in range(12):
            group.create_task(work((Login.WORKER, Login.MAINTENANCE)[seed % 2], seed))
    # A request may travel for as long as TRAVEL, or for no time.
    longest = (window + TRAVEL).total_seconds()
    for end, _ in takes:
        assert sum(requests for at, requests in takes if end - longest < at <= end) <= limit


async def test_random_takes_agree_with_a_sliding_window(budget: Budget) -> None:
    chance, now = random.Random(5), 0  # noqa: S311 - no secret
    taken: list[tuple[int, int]] = []
    for _ in range(120):
        step = chance.choice((0, 0, 1, 3, 8, 25))
        now += step
        if step:
            await budget.pass_time(step)
        requests = chance.randint(1, 6)
        # Two seconds around the edge of the window are not sure: the real clock moves too.
        used = sum(n for at, n in taken if now - at < SPAN + 2)
        surely_used = sum(n for at, n in taken if now - at < SPAN - 2)
        if await budget.take(requests) == 0.0:
            assert surely_used + requests <= 10
            taken.append((now, requests))
        else:
            assert used + requests > 10


async def test_the_api_cannot_read_budgets(world: World) -> None:
    transactions = world.resources[Login.API].transactions
    with pytest.raises(Exception, match="permission denied"):
        async with transactions.tenant(world.tenant_id) as session:
            await repository.close(session, "o", "a", 1.0)
