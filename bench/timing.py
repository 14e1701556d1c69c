"""Take turns, and time several pieces of work under the same conditions."""

from collections.abc import Awaitable, Callable, Sequence, Sized
from dataclasses import dataclass, field, fields, replace
from functools import partial
from statistics import median, quantiles
from time import perf_counter
from typing import Any, TypeVar

# Postgres plans a prepared statement five times before it may settle on one plan.
WARM_UP = 7

T = TypeVar("T")
Figures = TypeVar("Figures", bound=Any)
Work = Callable[[], Awaitable[object]]


async def by_turns(works: Sequence[Callable[[], Awaitable[T]]], rounds: int) -> list[list[T]]:
    """Call each in turn, `rounds` times; return the results of each.

    So other load on the machine affects all of them alike.
    """
    results: list[list[T]] = [[] for _ in works]
    for _ in range(rounds):
        for result, work in zip(results, works, strict=True):
            result.append(await work())
    return results


def medians(turns: Sequence[Figures]) -> Figures:
    """Return the median of each figure of several turns; their type is a dataclass of floats."""
    names = [field.name for field in fields(turns[0])]
    figures = {name: median(getattr(turn, name) for turn in turns) for name in names}
    return replace(turns[0], **figures)


@dataclass(slots=True)
class Timing:
    """Samples of one piece of work in milliseconds, and the length of its last result."""

    samples: list[float] = field(default_factory=list)
    rows: int | None = None

    @property
    def median(self) -> float:
        return median(self.samples)

    @property
    def p95(self) -> float:
        return quantiles(self.samples, n=20, method="inclusive")[-1]

    async def take(self, work: Work) -> None:
        """Add one sample."""
        start = perf_counter()
        result = await work()
        self.samples.append((perf_counter() - start) * 1000)
        self.rows = len(result) if isinstance(result, Sized) else None


async def compare(works: Sequence[Work], rounds: int) -> list[Timing]:
    """Time each work by turns, after a warm-up."""
    await by_turns(works, WARM_UP)
    timings = [Timing() for _ in works]
    await by_turns(
        [partial(timing.take, work) for timing, work in zip(timings, works, strict=True)], rounds
    )
    return timings
