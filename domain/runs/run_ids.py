"""The ids of runs."""

import secrets
import time
from uuid import UUID

_RANDOM_BITS = 74


def new_run_id() -> UUID:
    """Return an id that begins with the current millisecond (UUIDv7, RFC 9562).

    So the rows of new runs are neighbours in every index, and a start changes fewer pages.
    """
    milliseconds = time.time_ns() // 1_000_000
    random = secrets.randbits(_RANDOM_BITS)
    high, low = random >> 62, random & ((1 << 62) - 1)
    return UUID(int=milliseconds << 80 | 7 << 76 | high << 64 | 2 << 62 | low)
