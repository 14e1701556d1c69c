"""What subscriptions yield, so that equal subscribers share its execution and its JSON."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar, cast

from strawberry.types import ExecutionResult

from domain.runs.models import FeedCursor

T = TypeVar("T")


@dataclass(slots=True)
class LiveEvent:
    """An event that is built and executed once for all subscribers of a group."""

    type: type[Any]
    # The place in the feed that a subscriber has reached with this event.
    cursor: FeedCursor
    # Distinguishes a group's events of one type and cursor.
    detail: Hashable
    build: Callable[[], object]
    # When it was committed; None for what can repeat, such as a heartbeat.
    committed_at: datetime | None = None
    # Whether the subscription completes after it.
    is_last: bool = False


def live(
    type_: Callable[..., T],
    cursor: FeedCursor,
    build: Callable[[], T],
    *,
    detail: Hashable = None,
    committed_at: datetime | None = None,
    is_last: bool = False,
) -> T:
    """Return a `LiveEvent`, typed as the object that `build` will return."""
    return cast("T", LiveEvent(cast("type", type_), cursor, detail, build, committed_at, is_last))


@dataclass
class SharedResult(ExecutionResult):
    """The result of an event; `payload` holds its JSON once a transport has made it."""

    payload: bytes | None = field(default=None, init=False, repr=False)
