"""Turns: a user has some operations executed at a time, and the others wait."""

import sys

from domain.concurrency.fair_queue import FairQueue, Turn
from domain.errors import RateLimitedError

# Operations, and events of subscriptions, that execute at a time for one user.
AT_A_TIME = 2
# Requests over HTTP of one user that may wait for that. A socket bounds its operations itself.
MOST_WAITING = 100
RETRY_SECONDS = 1.0


def user_turns() -> FairQueue:
    """Return what hands out turns, each user's apart from all others'."""
    return FairQueue(sys.maxsize, per_key=AT_A_TIME)


def require_patience(turn: Turn) -> None:
    """Refuse a request for which too many others of the same user wait already.

    Raises:
        RateLimitedError: with the time to wait.
    """
    if turn.waiting >= MOST_WAITING:
        raise RateLimitedError(
            f"{turn.waiting} of your requests wait here already, and {AT_A_TIME} are executed at a"
            " time. Wait for answers before you ask for more.",
            RETRY_SECONDS,
        )
