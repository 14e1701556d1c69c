"""Steps that a process repeats until it stops."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import monotonic

from domain.runs.dispatching import DispatchUnavailableError
from domain.tenancy.session import DatabaseUnavailableError
from workers.metrics import MaintenanceMetrics

logger = logging.getLogger(__name__)

# Seconds without a success after which a step counts as stalled.
STALL_SECONDS = 30.0
# Seconds until a step that failed is tried again.
_MOST_PAUSE = 30.0


class StalledError(Exception):
    """A step neither succeeded nor failed for a while: it hangs, or has not started."""


class Steps:
    """Repeats the steps of a process, and records whether they succeed."""

    def __init__(self, metrics: MaintenanceMetrics) -> None:
        self._metrics = metrics
        self._succeeded_at: dict[str, float] = {}
        self._failures: dict[str, Exception] = {}

    async def repeat(self, step: Callable[[], Awaitable[None]], seconds: float) -> None:
        """Repeat the step every `seconds`, and log each failure.

        A step that failed is tried again after `seconds` and a second more for each failure in
        succession, but after 30 s, or a tenth of `seconds`, at the latest.
        """
        name, failures = step.__name__, 0
        # Create each series now, because a rate ignores the first value of a series.
        self._metrics.step_failures.labels(name)
        self._metrics.step_succeeded.labels(name)
        while True:
            try:
                await step()
            except Exception as error:
                failures += 1
                self._failures[name] = error
                self._metrics.step_failures.labels(name).inc()
                if isinstance(error, DatabaseUnavailableError | DispatchUnavailableError):
                    logger.warning("Maintenance waits: %s", error)
                else:
                    logger.exception("A maintenance step failed")
            else:
                failures = 0
                self._failures.pop(name, None)
                self._succeeded_at[name] = monotonic()
                self._metrics.step_succeeded.labels(name).set_to_current_time()
            most = max(_MOST_PAUSE, seconds / 10)
            await asyncio.sleep(min(seconds + failures, most) if failures else seconds)

    def require(self, name: str) -> None:
        """Raise the step's last error if it has not succeeded for `STALL_SECONDS`."""
        if monotonic() - self._succeeded_at.get(name, 0.0) > STALL_SECONDS:
            raise self._failures.get(name, StalledError(name)).with_traceback(None)
