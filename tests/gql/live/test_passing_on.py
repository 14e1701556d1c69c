"""Each subscriber of a group receives every event once and in order, as the leaders change."""

import asyncio
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from domain.concurrency.fair_queue import FairQueue
from domain.runs.feed import FeedGapError
from domain.runs.models import FeedCursor
from gql.limits.budgets import Budgets
from gql.live.events import LiveEvent, SharedResult
from gql.live.following import live_events
from gql.live.groups import Groups
from gql.live.outlets import Begun, begin
from gql.live.subscribers import LiveParts, Subscriber
from gql.live.tabs import Tabs

EPOCH = uuid4()
EVENTS = 40
# The filter of all subscribers leaves these out.
IGNORED = {5, 6, 7, 18, 30, 31}
EXPECTED = [seq for seq in range(1, EVENTS + 1) if seq not in IGNORED]


@dataclass
class Chance:
    """Lets a coroutine wait for some turns of the loop, or not at all."""

    random: Random

    async def wait(self, share: float = 0.3, turns: int = 6) -> None:
        if self.random.random() < share:
            for _ in range(self.random.randint(1, turns)):
                await asyncio.sleep(0)


@dataclass
class Feed:
    """A tenant's feed that grows; reads take a while."""

    chance: Chance
    head: int = 0
    grown: asyncio.Event = field(default_factory=asyncio.Event)

    def is_behind(self, cursor: FeedCursor) -> bool:
        return cursor.seq < self.head

    async def after(self, cursor: FeedCursor, timeout: float) -> list[Any]:
        del timeout
        if not self.is_behind(cursor):
            if self.chance.random.random() < 0.2:
                await self.chance.wait(1)
                return []
            await self.grown.wait()
        await self.chance.wait()
        if self.chance.random.random() < 0.02:
            raise FeedGapError
        end = min(self.head, cursor.seq + self.chance.random.randint(1, 5))
        return [SimpleNamespace(seq=seq) for seq in range(cursor.seq + 1, end + 1)]

    async def grow(self) -> None:
        while self.head < EVENTS:
            await self.chance.wait(0.9, 20)
            self.head = min(EVENTS, self.head + self.chance.random.choice((1, 1, 1, 2, 5)))
            grown, self.grown = self.grown, asyncio.Event()
            grown.set()


class Caller:
    """A user's context: its checks take a while, and its role changes now and then."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self._access = SimpleNamespace(role="VIEWER", tenant_id=UUID(int=0))
        self.current: Subscriber | None = None

    def subscriber(self) -> Subscriber:
        assert self.current is not None
        return self.current

    def is_fresh(self) -> bool:
        return self._chance.random.random() < 0.8

    async def entered(self) -> SimpleNamespace:
        return await self.stay(self._access.tenant_id)

    async def stay(self, tenant_id: UUID) -> SimpleNamespace:
        await self._chance.wait()
        if self._chance.random.random() < 0.05:
            role = self._chance.random.choice(("VIEWER", "OPERATOR"))
            self._access = SimpleNamespace(role=role, tenant_id=tenant_id)
        return self._access


class Client:
    """Receives what its subscriber sends; sometimes it reads late."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self.received: list[int] = []

    async def _receive(self, result: SharedResult) -> None:
        await self._chance.wait(0.2)
        if result.data and result.data["seq"] is not None:
            self.received.append(result.data["seq"])

    def begin(self, result: SharedResult) -> Begun | None:
        return begin(self._receive(result))

    async def send(self, result: SharedResult) -> None:
        if (begun := self.begin(result)) is not None:
            await begun

    async def finish(self, begun: Begun) -> None:
        await begun


class AnyBudgets:
    """Budgets that take a while."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance

    async def settle(self, user_id: UUID, cost: int) -> None:
        del user_id, cost
        await self._chance.wait()


async def subscribe(parts: LiveParts, chance: Chance, feed: Feed, client: Client) -> None:
    """Follow the feed after the client's last event, as a GraphQL operation does."""
    caller, observation = Caller(chance), SimpleNamespace(is_answered=False)
    observation.delivered = lambda _committed_at: None
    # A few users with many subscriptions owe too much now and then.
    operation: Any = SimpleNamespace(user_id=UUID(int=chance.random.randint(1, 3)))
    subscriber = Subscriber(
        parts, operation, cast("Any", caller), cast("Any", observation), client, lambda _: 1500
    )
    caller.current = subscriber
    start = FeedCursor(EPOCH, client.received[-1] if client.received else 0)
    access: Any = SimpleNamespace(tenant_id=UUID(int=0))
    try:
        events = live_events(cast("Any", caller), access, cast("Any", feed), start)
        async with aclosing(events):
            async for cursor, event in events:
                seq = event.seq if event else None
                if seq in IGNORED:
                    continue
                at = datetime.now(UTC) if event else None
                sent = LiveEvent(object, cursor, event is None, object, committed_at=at)

                def execute(seq: int | None = seq) -> SharedResult | asyncio.Task[SharedResult]:
                    result = SharedResult({"seq": seq}, None)
                    return result if chance.random.random() < 0.5 else later(chance, result)

                result = await subscriber.execute(sent, execute)
                observation.is_answered = True
                await client.send(result)
    finally:
        subscriber.leave()


def later(chance: Chance, result: SharedResult) -> asyncio.Task[SharedResult]:
    async def execution() -> SharedResult:
        await chance.wait(1)
        return result

    return asyncio.create_task(execution())


async def follow(parts: LiveParts, chance: Chance, feed: Feed, client: Client) -> None:
    """Subscribe, leave and come back until the client has received everything."""
    while len(client.received) < len(EXPECTED):
        subscribing = asyncio.create_task(subscribe(parts, chance, feed, client))
        while not subscribing.done() and len(client.received) < len(EXPECTED):
            await asyncio.sleep(0)
            if chance.random.random() < 0.01:
                break
        subscribing.cancel()
        with suppress(asyncio.CancelledError, FeedGapError):
            await subscribing


@pytest.mark.parametrize("seed", range(100))
async def test_each_subscriber_receives_every_event_once_and_in_order(seed: int) -> None:
    chance = Chance(Random(seed))  # noqa: S311 - no secret
    equality: Any = SimpleNamespace(key=lambda _: ("equal",))
    tabs = Tabs(cast("Budgets", AnyBudgets(chance)))
    parts = LiveParts(Groups(), equality, tabs, FairQueue(3, per_key=2))
    feed, clients = Feed(chance), [Client(chance) for _ in range(6)]
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(feed.grow())
        for client in clients:
            group.create_task(follow(parts, chance, feed, client))
    for client in clients:
        assert client.received == EXPECTED
