"""A lone caller waits for one turn of another key's crowd, not for the whole crowd."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from domain.concurrency.fair_queue import FairQueue


async def settle() -> None:
    """Run every task until it waits."""
    for _ in range(10):
        await asyncio.sleep(0)


class Crowd:
    """Callers who hold their place until `leave`."""

    def __init__(self, queue: FairQueue) -> None:
        self.queue = queue
        self.holding: list[str] = []
        self._leave: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def come(self, *names: str) -> None:
        """Add callers; the first letter of a name is its key."""
        for name in names:
            self._leave[name] = asyncio.Event()
            self.tasks[name] = asyncio.create_task(self._hold(name))
            await settle()

    async def leave(self, name: str) -> None:
        self._leave[name].set()
        await self.tasks[name]
        await settle()

    async def _hold(self, name: str) -> None:
        async with self.queue.place(name[0]):
            self.holding.append(name)
            await self._leave[name].wait()
        self.holding.remove(name)


async def test_a_newcomer_waits_for_one_turn_of_a_crowd() -> None:
    crowd = Crowd(FairQueue(1, per_key=1))
    await crowd.come("a1", "a2", "a3", "b1", "c1")
    assert crowd.holding == ["a1"]
    order = []
    for _ in range(5):
        [name] = crowd.holding
        order.append(name)
        await crowd.leave(name)
    assert order == ["a1", "a2", "b1", "c1", "a3"]


async def test_a_key_leaves_places_to_others() -> None:
    crowd = Crowd(FairQueue(3, per_key=2))
    await crowd.come("a1", "a2", "a3")
    assert crowd.holding == ["a1", "a2"]
    assert crowd.queue.waiting("a") == 1
    await crowd.come("b1", "b2")
    assert crowd.holding == ["a1", "a2", "b1"]
    await crowd.leave("b1")
    assert crowd.holding == ["a1", "a2", "b2"]
    await crowd.leave("a1")
    assert crowd.holding == ["a2", "b2", "a3"]
    assert crowd.queue.waiting("a") == 0


async def test_a_cancelled_caller_takes_no_place() -> None:
    crowd = Crowd(FairQueue(1, per_key=1))
    await crowd.come("a1", "a2", "a3")
    crowd.tasks["a2"].cancel()
    await settle()
    await crowd.leave("a1")
    assert crowd.holding == ["a3"]


async def test_a_place_is_not_lost_to_a_caller_that_was_just_cancelled() -> None:
    crowd = Crowd(FairQueue(1, per_key=1))
    await crowd.come("a1", "b1", "c1")
    # The place becomes free before b1 handles its cancellation.
    crowd._leave["a1"].set()
    crowd.tasks["b1"].cancel()
    await settle()
    assert crowd.holding == ["c1"]
    await crowd.leave("c1")
    await crowd.come("d1")
    assert crowd.holding == ["d1"]


async def test_a_place_granted_at_the_moment_of_cancellation_goes_to_the_next() -> None:
    crowd = Crowd(FairQueue(1, per_key=1))
    await crowd.come("a1", "b1", "c1")
    crowd._leave["a1"].set()
    # b1 already has the place when it is cancelled.
    await asyncio.sleep(0)
    crowd.tasks["b1"].cancel()
    await settle()
    assert crowd.holding == ["c1"]


async def test_a_block_that_fails_gives_its_place_back() -> None:
    queue = FairQueue(1, per_key=1)
    with pytest.raises(ZeroDivisionError):
        async with queue.place("a"):
            raise ZeroDivisionError
    async with AsyncExitStack() as stack, asyncio.timeout(5):
        await stack.enter_async_context(queue.place("a"))


async def test_none_is_a_key_like_any_other() -> None:
    queue = FairQueue(1, per_key=1)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        async with queue.place(None):
            waiting = tasks.create_task(queue.take(None))
            await settle()
            assert not waiting.done()
        await waiting
