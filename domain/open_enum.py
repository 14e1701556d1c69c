"""Enumerations that a newer version may extend while an older one still reads them."""

import logging
from enum import StrEnum
from functools import lru_cache
from typing import Self

logger = logging.getLogger(__name__)


class OpenEnum(StrEnum):
    """Reads a stored value that this version does not know as `OTHER`.

    During an update, old and new processes share the database.
    """

    @classmethod
    def _missing_(cls, value: object) -> Self:
        _log_once(cls.__name__, str(value))
        return cls["OTHER"]


@lru_cache(maxsize=100)
def _log_once(name: str, value: str) -> None:
    logger.warning("The database holds the %s %r, which this version does not know", name, value)
