"""Split work into bounded batches."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Sequence
from time import monotonic
from typing import TypeVar

T = TypeVar("T")

FIRST_BATCH = 100
# Seconds of work after which progress is reported.
BATCH_SECONDS = 0.5


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield the items in order, `size` at a time."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def timed_batches(items: Sequence[T], most: int) -> Iterator[Sequence[T]]:
    """Yield the items in order, as many as the caller handles in `BATCH_SECONDS`, at most `most`.

    So a run reports progress about twice a second, however fast its items are.
    """
    start, size = 0, min(FIRST_BATCH, most)
    while start < len(items):
        began = monotonic()
        yield items[start : start + size]
        start += size
        fitting = size * BATCH_SECONDS / max(monotonic() - began, 0.001)
        # Grow step by step, because the first batches are not typical.
        size = max(1, min(int(fitting), 2 * size, most))


def weighed_batches(
    items: Iterable[T], weight: Callable[[T], int], *, heaviest: int, most: int
) -> Iterator[Sequence[T]]:
    """Yield the items in order, at most `most` that weigh at most `heaviest`, or a heavier one."""
    batch: list[T] = []
    weighs = 0
    for item in items:
        if batch and (len(batch) == most or weighs + weight(item) > heaviest):
            yield batch
            batch, weighs = [], 0
        batch.append(item)
        weighs += weight(item)
    if batch:
        yield batch


async def one_ahead(source: AsyncIterator[T]) -> AsyncGenerator[T, None]:
    """Yield the source's items; it makes the next one while the caller works on one."""

    async def make() -> tuple[T] | None:
        async for item in source:
            return (item,)
        return None

    coming = asyncio.create_task(make())
    try:
        while made := await coming:
            coming = asyncio.create_task(make())
            yield made[0]
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
