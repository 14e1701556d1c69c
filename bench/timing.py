"""Time several pieces of work under the same conditions."""

from collections.abc import Awaitable, Callable, Sequence, Sized
from dataclasses import dataclass, field
from statistics import median, quantiles
from time import perf_counter

# Postgres plans a prepared statement five times before it may settle on one plan.
WARM_UP = 7

Work = Callable[[], Awaitable[object]]


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
    """Time each work in turn, so that other load on the machine affects all of them alike."""
    timings = [Timing() for _ in works]
    for number in range(WARM_UP + rounds):
        for timing, work in zip(timings, works, strict=True):
            await timing.take(work)
            if number < WARM_UP:
                timing.samples.clear()
    return timings
