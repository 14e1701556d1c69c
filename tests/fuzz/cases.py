"""The number of cases that each test tries, and their seed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, seed, settings


@dataclass(slots=True)
class _Plan:
    """The options of the command line. Without a `seed`, the cases are always the same."""

    examples: int = 0
    seed: int | None = None


PLAN = _Plan()


def cases(usual: int) -> Callable[[Any], Any]:
    """Try `usual` cases, or as many as the command line requests."""
    chosen = settings(
        max_examples=PLAN.examples or usual,
        derandomize=PLAN.seed is None,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )

    def decorate(test: Any) -> Any:
        return chosen(test if PLAN.seed is None else seed(PLAN.seed)(test))

    return decorate
