"""When a request to Graph is tried again, and how long that waits."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# Throttled, or out of order for a moment. A GET can be repeated.
RETRIED = frozenset({408, 429, 500, 502, 503, 504})
MAX_TRIES = 6
# Seconds. Graph rarely asks for more, and a run's time is limited.
_LONGEST = 300.0
_FIRST = 1.0
_LONGEST_GUESS = 30.0


def seconds_to_wait(headers: Mapping[str, str], tries: int) -> float:
    """Return how long to wait after `tries` failed tries.

    As long as `Retry-After` says, in seconds or as a date, at most 5 minutes. Without a usable
    value, a second, and twice as long each time, with jitter.
    """
    seconds = _retry_after(headers)
    if seconds is not None:
        # Requests that were refused together do not come back together.
        return min(seconds, _LONGEST) + random.uniform(0, 0.5)  # noqa: S311 - not for security
    longest = min(_FIRST * 2 ** (tries - 1), _LONGEST_GUESS)
    return random.uniform(longest / 2, longest)  # noqa: S311


def is_limited(status: int) -> bool:
    """Return whether Graph limits the app's requests now, so that others have to wait too."""
    return status in (429, 503)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    value = next((text for name, text in headers.items() if name.lower() == "retry-after"), None)
    if not isinstance(value, str):
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return None
        # A date without a zone is in UTC, like all dates of HTTP.
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        seconds = (moment - datetime.now(UTC)).total_seconds()
    # Also refuses NaN. A moment that is over says nothing.
    return seconds if seconds > 0 else None
