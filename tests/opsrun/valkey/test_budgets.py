"""All processes share one budget per user, and an outage lifts none."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis

from domain.errors import RateLimitedError
from gql.limits.cost import BASE
from opsrun.dev.embedded import EmbeddedServers
from opsrun.postgres.engines import Login
from opsrun.valkey import budgets
from opsrun.valkey.budgets import RedisBudgets, open_budgets
from tests.client import SSE, WEBSOCKET
from tests.conftest import settings_for
from tests.gql.api import RunningApi, running_api
from tests.valkey import Valkey
from tests.world import World

COST = 100


@pytest.fixture
async def two(servers: EmbeddedServers) -> AsyncIterator[tuple[RedisBudgets, RedisBudgets]]:
    """The budgets of two processes of one installation."""
    async with AsyncExitStack() as stack:
        yield tuple(
            [
                await stack.enter_async_context(open_budgets(servers.redis_url, COST))
                for _ in range(2)
            ]
        )  # type: ignore[misc]


async def refused(of: RedisBudgets, user: UUID, cost: int) -> int:
    """Return the seconds to wait."""
    with pytest.raises(RateLimitedError) as refusal:
        await of.spend(user, cost)
    seconds = refusal.value.details["retryAfter"]
    assert isinstance(seconds, int)
    return seconds


async def test_all_processes_spend_one_budget(
    two: tuple[RedisBudgets, RedisBudgets],
) -> None:
    here, there = two
    ada, bob = uuid4(), uuid4()
    await here.spend(ada, 60)
    await there.spend(ada, 40)
    assert 1 <= await refused(here, ada, 1) <= 60
    assert 1 <= await refused(there, ada, 1) <= 60
    await here.spend(bob, 100)


async def test_a_refused_user_is_refused_at_once_until_the_minute_ends(
    two: tuple[RedisBudgets, RedisBudgets], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = two
    ada = uuid4()
    here.require(ada)
    await here.spend(ada, COST)
    seconds = await refused(here, ada, BASE)
    with pytest.raises(RateLimitedError):
        here.require(ada)
    # The other process has not read the budget yet.
    there.require(ada)
    later = time.time() + seconds + 1
    monkeypatch.setattr(time, "time", lambda: later)
    here.require(ada)


async def test_a_refused_cost_leaves_room_for_a_smaller_one(
    two: tuple[RedisBudgets, RedisBudgets],
) -> None:
    here, there = two
    ada = uuid4()
    await here.spend(ada, 40)
    message = "costs 61, but only 50 of your budget of 100 a minute are left"
    with pytest.raises(RateLimitedError, match=message):
        await here.spend(ada, 61)
    # A refusal has a cost too; otherwise refusals would be unlimited.
    here.require(ada)
    await there.spend(ada, 50)
    await refused(here, ada, BASE)
    with pytest.raises(RateLimitedError, match="used your budget of 100 a minute"):
        here.require(ada)


async def test_the_budget_is_full_again_after_its_minute(
    two: tuple[RedisBudgets, RedisBudgets], servers: EmbeddedServers
) -> None:
    here, _ = two
    ada = uuid4()
    await here.spend(ada, COST)
    async with Redis.from_url(servers.redis_url) as redis:
        [key] = [key async for key in redis.scan_iter(f"opsrun:cost*{ada}*")]
        assert 0 < await redis.ttl(key) <= 60
        await redis.delete(key)  # as Redis does when it expires
    await here.spend(ada, COST)


async def test_a_refused_cost_never_refuses_a_concurrent_one(
    servers: EmbeddedServers,
) -> None:
    limit = 10_000
    async with (
        open_budgets(servers.redis_url, limit) as here,
        open_budgets(servers.redis_url, limit) as there,
    ):
        ada = uuid4()
        refusals = [refused(here, ada, 2 * limit) for _ in range(50)]
        await asyncio.gather(*refusals, *(there.spend(ada, 1) for _ in range(50)))
        left = limit - 50 * BASE - 50
        await there.spend(ada, left)
        await refused(there, ada, 1)


async def test_without_redis_each_process_counts_by_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budgets, "_PAUSE", 0.2)
    async with Valkey(tmp_path) as valkey, open_budgets(valkey.url, COST) as here:
        ada = uuid4()
        await here.spend(ada, 90)
        await valkey.kill()
        with caplog.at_level(logging.WARNING, "opsrun.valkey.budgets"):
            await asyncio.gather(here.spend(ada, 80), here.spend(ada, 10))
            await refused(here, ada, 90)
            with pytest.raises(RateLimitedError, match="used your budget of 100 a minute"):
                here.require(ada)
        assert len(caplog.records) == 1, "Redis is not asked again for a while"
        await valkey.start()
        async with asyncio.timeout(10):
            while not await _counts(valkey):
                await here.spend(uuid4(), 1)


async def _counts(valkey: Valkey) -> bool:
    async with Redis.from_url(valkey.url) as redis:
        return bool(await redis.dbsize())


@pytest.fixture
async def poor(
    servers: EmbeddedServers, logins: dict[Login, str], tmp_path: Path
) -> AsyncIterator[RunningApi]:
    """An API in which every user has a budget of 100."""
    settings = settings_for(logins[Login.API], servers.redis_url, tmp_path, cost_per_minute=COST)
    async with running_api(settings) as running:
        yield running


@pytest.mark.parametrize("text", ["{ viewer { name } }", "{ nonsense }", "{ broken"])
async def test_a_refused_user_sees_when_to_retry(poor: RunningApi, world: World, text: str) -> None:
    """Refused documents have a cost too, because reading them is work."""
    client = poor.member(world)
    statuses = []
    while 429 not in statuses:
        answer = await client.ask(text)
        statuses.append(answer.status)
        assert len(statuses) < 20
    assert answer.code == "RATE_LIMITED"
    assert len(statuses) >= 9
    with poor.statements() as statements:
        assert (await client.ask(text, accept="application/json")).status == 429
    assert not [s for s in statements if "operation_run" in s]
    for transport in (WEBSOCKET, SSE):
        async with client.subscribe(transport, text) as stream:
            assert await stream.failure() == "RATE_LIMITED"
    response = await poor.http.get(
        "/graphql", params={"query": text}, headers={"Authorization": f"Bearer {world.token()}"}
    )
    assert response.status_code == 429
    assert 1 <= int(response.headers["retry-after"]) <= 60


async def test_events_of_a_user_without_budget_wait_for_the_next_window(
    servers: EmbeddedServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budgets, "_MINUTE", 1.0)
    monkeypatch.setattr(budgets, "_SETTLE_SECONDS", 0.0)
    async with open_budgets(servers.redis_url, COST) as here:
        ada, bob = uuid4(), uuid4()
        began = time.monotonic()
        # Three windows' worth: none is refused, and the last one has waited.
        for _ in range(6):
            await here.settle(ada, COST // 2)
        assert time.monotonic() - began > 1.0
        await here.settle(ada, COST)
        waiting = asyncio.create_task(here.settle(ada, COST))
        await here.settle(bob, COST)
        assert not waiting.done()
        await waiting


async def test_events_and_operations_spend_the_same_budget(
    two: tuple[RedisBudgets, RedisBudgets],
) -> None:
    here, there = two
    ada = uuid4()
    await here.settle(ada, 60)
    with pytest.raises(RateLimitedError, match="This costs 41,"):
        await there.spend(ada, 41)


async def test_a_few_events_are_counted_together(
    two: tuple[RedisBudgets, RedisBudgets],
) -> None:
    here, there = two
    ada = uuid4()
    for _ in range(6):
        await here.settle(ada, 1)
    # Further events are counted together, one second later.
    await there.spend(ada, COST - 1)


async def test_every_event_of_a_crowd_has_a_cost(
    servers: EmbeddedServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budgets, "_MINUTE", 1.0)
    async with open_budgets(servers.redis_url, COST) as here:
        ada = uuid4()
        began = time.monotonic()
        await asyncio.gather(*(here.settle(ada, COST // 4) for _ in range(12)))
        # Three seconds' worth, and the points of two of them have to be waited for.
        assert time.monotonic() - began > 1.5


async def test_an_event_whose_subscriber_left_has_its_cost(
    two: tuple[RedisBudgets, RedisBudgets], servers: EmbeddedServers
) -> None:
    here, _ = two
    ada = uuid4()
    leaving = asyncio.create_task(here.settle(ada, 60))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait([leaving])
    here.owe(ada, 30)
    async with Redis.from_url(servers.redis_url) as redis, asyncio.timeout(10):
        paid = 0
        while paid != 90:
            keys = [key async for key in redis.scan_iter(f"opsrun:cost*{ada}*")]
            paid = sum([int(await redis.get(key) or 0) for key in keys])
