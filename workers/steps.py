"""Steps that are taken for ever, and how each of them gets on."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import monotonic

from domain.runs.maintenance import DispatchUnavailableError
from domain.tenancy.transactions import DatabaseUnavailableError
from workers.metrics import MaintenanceMetrics

logger = logging.getLogger(__name__)

# Seconds without a success after which a step that is due all the time makes no progress.
STALL_SECONDS = 30.0


class StalledError(Exception):
    """A step has not succeeded for long, and nothing failed: it hangs, or never began."""


class Steps:
    """Takes the steps of one process."""

    def __init__(self, metrics: MaintenanceMetrics) -> None:
        self._metrics = metrics
        self._succeeded_at: dict[str, float] = {}
        self._failures: dict[str, Exception] = {}

    async def repeat(self, step: Callable[[], Awaitable[None]], seconds: float) -> None:
        """Take the step for ever: an outage delays it; what is unexpected is told and survived."""
        name, failures = step.__name__, 0
        # From the start: a rate does not see what a series begins with, and 0 is long ago.
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
            await asyncio.sleep(min(seconds + failures, 30.0))

    def require(self, name: str) -> None:
        """Raise what keeps the step from succeeding, if it has not for `STALL_SECONDS`."""
        if monotonic() - self._succeeded_at.get(name, 0.0) > STALL_SECONDS:
            raise self._failures.get(name, StalledError(name)).with_traceback(None)
