"""What subscriptions yield, so that equal subscribers share its execution and its JSON."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar, cast

from strawberry.types import ExecutionResult

T = TypeVar("T")


@dataclass(slots=True)
class LiveEvent:
    """An event that is built and executed once for all equal subscribers of equal rights."""

    type: type[Any]
    # Among the events of equal subscriptions, equal identities have equal answers.
    identity: tuple[Hashable, ...]
    build: Callable[[], object]
    # When it was committed; None if it was not, such as a snapshot.
    committed_at: datetime | None = None


def live(
    type_: Callable[..., T],
    identity: tuple[Hashable, ...],
    build: Callable[[], T],
    committed_at: datetime | None = None,
) -> T:
    """Return a `LiveEvent`, typed as the object that `build` will return."""
    return cast("T", LiveEvent(cast("type", type_), identity, build, committed_at))


@dataclass
class SharedResult(ExecutionResult):
    """The result of an event; `payload` holds its JSON once a transport has made it."""

    payload: bytes | None = field(default=None, init=False, repr=False)
