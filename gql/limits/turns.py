"""Turns: a few operations of each user are executed at a time; the others wait."""

import sys

from domain.concurrency.fair_queue import FairQueue, Turn
from domain.errors import RateLimitedError

# Operations, and events of subscriptions, that are executed at a time for one user.
AT_A_TIME = 2
# HTTP requests of one user that may wait for a turn. A WebSocket limits its own operations.
MOST_WAITING = 100
RETRY_SECONDS = 1.0


def user_turns() -> FairQueue:
    """Return the queue of all users, with one line for each user."""
    return FairQueue(sys.maxsize, per_key=AT_A_TIME)


def require_patience(turn: Turn) -> None:
    """Refuse a request if too many others of the same user are waiting.

    Raises:
        RateLimitedError: with the time to wait.
    """
    if turn.waiting >= MOST_WAITING:
        raise RateLimitedError(
            f"{turn.waiting} of your requests are waiting, and {AT_A_TIME} are executed at a time."
            " Wait for responses before you send more.",
            RETRY_SECONDS,
        )
