"""How long something takes, fairly compared."""

from collections.abc import Awaitable, Callable, Sized
from dataclasses import dataclass, field
from statistics import median, quantiles
from time import perf_counter

# Postgres plans a prepared statement anew five times before it may settle on one plan.
WARM_UP = 7


@dataclass(slots=True)
class Timing:
    """Samples of one case, in milliseconds, and how much came back."""

    samples: list[float] = field(default_factory=list)
    rows: int | None = None

    @property
    def median(self) -> float:
        """Half of the samples are faster."""
        return median(self.samples)

    @property
    def p95(self) -> float:
        """Nineteen of twenty samples are faster."""
        return quantiles(self.samples, n=20, method="inclusive")[-1]

    async def take(self, work: Callable[[], Awaitable[object]]) -> None:
        """Add one sample."""
        start = perf_counter()
        result = await work()
        self.samples.append((perf_counter() - start) * 1000)
        self.rows = len(result) if isinstance(result, Sized) else None


async def compare(
    large: Callable[[], Awaitable[object]], small: Callable[[], Awaitable[object]], rounds: int
) -> tuple[Timing, Timing]:
    """Time both by turns, so that whatever else the machine does meets both alike."""
    timings = Timing(), Timing()
    for number in range(WARM_UP + rounds):
        for timing, work in zip(timings, (large, small), strict=True):
            await timing.take(work)
            if number < WARM_UP:
                timing.samples.clear()
    return timings
