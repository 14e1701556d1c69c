"""A request to Graph as the double handles it, alone or as a part of a batch, and the answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Call:
    """One request; `path` has the segments after the version, keys in brackets included."""

    method: str
    base: str
    version: str
    path: tuple[str, ...]
    options: dict[str, str]
    headers: Mapping[str, str]
    body: Any = None

    @property
    def plain_path(self) -> str:
        """The path without its version, such as `/deviceManagement/intents/ID`."""
        return "/" + "/".join(self.path)

    @property
    def url(self) -> str:
        """The address without options."""
        return f"{self.base}/{self.version}{self.plain_path}"


@dataclass(slots=True)
class Reply:
    """An answer, and what happens to it on its way."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    """Seconds before it is sent."""
    cut: str | None = None
    """`before` or `within` the answer, the connection is cut."""
