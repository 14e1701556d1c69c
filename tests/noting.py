"""What is logged, with the ids that the log would show."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from domain.log_context import log_ids


class Noted(logging.Handler):
    """Notes each message with the ids of what is served at that moment."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, Mapping[str, str]]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Note it."""
        self.lines.append((record.getMessage(), log_ids()))

    def ids_of(self, message: str) -> Mapping[str, str]:
        """Return the ids of the one line that begins like this."""
        (ids,) = [ids for text, ids in self.lines if text.startswith(message)]
        return ids


@contextmanager
def noted(logger: str) -> Iterator[Noted]:
    """Note what this logger and those below it say, from INFO on."""
    noting, noter = logging.getLogger(logger), Noted()
    level = noting.level
    noting.addHandler(noter)
    noting.setLevel(logging.INFO)
    try:
        yield noter
    finally:
        noting.removeHandler(noter)
        noting.setLevel(level)
