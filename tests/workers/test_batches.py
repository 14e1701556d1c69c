"""Batches are bounded by time, by number and by weight."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from workers import batches
from workers.batches import one_ahead, timed_batches, weighed_batches


class Clock:
    """Time passes only by work: so many seconds for each item."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
        self.now = 0.0
        self.seconds = seconds
        monkeypatch.setattr(batches, "monotonic", lambda: self.now)

    def sizes(self, count: int, most: int) -> list[int]:
        sizes = []
        for batch in timed_batches(range(count), most):
            self.now += len(batch) * self.seconds
            sizes.append(len(batch))
        return sizes


def test_a_batch_takes_half_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = Clock(monkeypatch, 1 / 1024).sizes(2000, most=5000)
    assert sizes == [100, 200, 400, 512, 512, 276]


def test_fast_items_make_few_batches_of_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = Clock(monkeypatch, 0).sizes(50_000, most=5000)
    assert sum(sizes) == 50_000
    assert max(sizes) == 5000
    assert len(sizes) < 20


def test_slow_items_are_recorded_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Clock(monkeypatch, 2).sizes(103, most=5000) == [100, 1, 1, 1]


def test_batches_have_every_item_once_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    Clock(monkeypatch, 0)
    timed = [item for batch in timed_batches(range(777), 50) for item in batch]
    weighed = weighed_batches(range(777), lambda item: item, heaviest=500, most=50)
    assert timed == [item for batch in weighed for item in batch] == [*range(777)]


def test_a_batch_is_bounded_by_weight_and_number() -> None:
    weights = [1, 1, 1, 1, 9, 4, 7, 5, 5]
    assert [*weighed_batches(weights, lambda weight: weight, heaviest=10, most=3)] == [
        [1, 1, 1],
        [1, 9],
        [4],
        [7],
        [5, 5],
    ]


def test_an_item_above_the_limit_is_a_batch_alone() -> None:
    assert [*weighed_batches([20, 1, 20], lambda weight: weight, heaviest=10, most=3)] == [
        [20],
        [1],
        [20],
    ]


class Source:
    """Makes three items, then raises `error` if there is one, or waits without end."""

    def __init__(self, error: Exception | None) -> None:
        self.made = asyncio.Event()
        self.was_cancelled = False
        self._error = error

    async def items(self) -> AsyncIterator[int]:
        for item in range(3):
            yield item
            self.made.set()
        if self._error is not None:
            raise self._error
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise


async def test_the_next_item_is_made_while_the_caller_works() -> None:
    source = Source(None)
    async with asyncio.timeout(10), aclosing(one_ahead(source.items())) as ahead:
        assert await anext(ahead) == 0
        await source.made.wait()
        assert [await anext(ahead), await anext(ahead)] == [1, 2]
        # Let the source wait for its next item before the caller leaves.
        await asyncio.sleep(0)
    assert source.was_cancelled


async def test_an_error_of_the_source_follows_its_items() -> None:
    ahead = one_ahead(Source(ValueError("broken")).items())
    assert [await anext(ahead) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="broken"):
        await anext(ahead)


async def test_a_caller_that_fails_gets_its_own_error() -> None:
    source = Source(ValueError("not seen"))
    with pytest.raises(KeyError):
        async with aclosing(one_ahead(source.items())) as ahead:
            async for item in ahead:
                if item == 2:
                    await asyncio.sleep(0)
                    raise KeyError(item)
