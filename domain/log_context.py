"""Ids that every log line of a request or run carries.

Code that starts to serve a request or run binds its ids here, and `opsrun.telemetry.logging` adds
them to every line. A task inherits the ids of the task that created it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

_ids: ContextVar[Mapping[str, str]] = ContextVar("log_ids", default={})  # noqa: B039 - read only


def log_ids() -> Mapping[str, str]:
    """Return the bound ids by name."""
    return _ids.get()


def bind_log_ids(**ids: object) -> None:
    """Bind ids until the task ends."""
    _ids.set({**_ids.get(), **{name: str(value) for name, value in ids.items()}})


@contextmanager
def log_context(**ids: object) -> Iterator[None]:
    """Bind ids within the block."""
    before = _ids.get()
    bind_log_ids(**ids)
    try:
        yield
    finally:
        _ids.set(before)
