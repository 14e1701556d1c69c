"""Survive the outage of a server: when to try again, and what to log.

outage = Outage(logger, lost="Lost the run queue", back="The run queue is back")
while True:
    try:
        await read()
    except ConnectionError as error:
        await asyncio.sleep(outage.failed(error))
    else:
        outage.recovered()
"""

from logging import Logger
from random import uniform

_FIRST_SECONDS = 0.1
_MOST_SECONDS = 3.0
# More doublings change nothing, and a float overflows after an hour of them.
_MOST_DOUBLINGS = 10


def backoff(failures: int) -> float:
    """Return the seconds to wait after a number of failures in a row: at most 3, with jitter."""
    longest = min(_MOST_SECONDS, _FIRST_SECONDS * 2.0 ** min(failures, _MOST_DOUBLINGS))
    return uniform(longest / 2, longest)  # noqa: S311 - jitter, not a secret


def reason(error: BaseException) -> str:
    """Describe an error with its type: a timeout has no text."""
    return f"{type(error).__name__}: {error}"


class Outage:
    """Logs once when a server is lost and once when it is back, and counts the outages."""

    def __init__(self, logger: Logger, *, lost: str, back: str) -> None:
        self._logger = logger
        self._lost = lost
        self._back = back
        self._failures = 0
        self.count = 0

    @property
    def is_on(self) -> bool:
        """Whether the last try failed."""
        return self._failures > 0

    def failed(self, error: BaseException | None = None, *, with_trace: bool = False) -> float:
        """Record a failed try; return the seconds to wait before the next one."""
        if not self._failures:
            self.count += 1
            text = self._lost if error is None else f"{self._lost}: {reason(error)}"
            self._logger.warning(text, exc_info=error if with_trace else None)
        self._failures += 1
        return backoff(self._failures)

    def recovered(self) -> None:
        """Record a try that succeeded."""
        if self._failures:
            self._logger.info(self._back)
            self._failures = 0
