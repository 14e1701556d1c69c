"""Collect log messages with the ids that the log shows beside them."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from domain.log_context import log_ids


class LogCollector(logging.Handler):
    """Collects each message with the ids that are bound at that moment."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, Mapping[str, str]]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Collect the message."""
        self.lines.append((record.getMessage(), log_ids()))

    def ids_of(self, message: str) -> Mapping[str, str]:
        """Return the ids of the only message that begins with this text."""
        (ids,) = [ids for text, ids in self.lines if text.startswith(message)]
        return ids


@contextmanager
def collect_logs(logger: str) -> Iterator[LogCollector]:
    """Collect the messages of this logger and its children, from INFO on."""
    source, handler = logging.getLogger(logger), LogCollector()
    level = source.level
    source.addHandler(handler)
    source.setLevel(logging.INFO)
    try:
        yield handler
    finally:
        source.removeHandler(handler)
        source.setLevel(level)
