"""How many cases each test tries, and which."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, seed, settings


@dataclass(slots=True)
class _Plan:
    """What the command line says; `seed` None means the same cases every time."""

    examples: int = 0
    seed: int | None = None


PLAN = _Plan()


def cases(usual: int) -> Callable[[Any], Any]:
    """Try so many cases, or as many as the command line asks for."""
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
