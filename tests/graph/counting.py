"""Counts requests by area, as Microsoft's throttling limits do.

The limits are those of graph-provider.md: requests of one app in one tenant in 20 seconds.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase

WINDOW_SECONDS = 20.0


class Area(StrEnum):
    """What shares one limit."""

    CATALOG = "catalog"
    CONFIGURATION = "configuration"
    ENROLLMENT = "enrollment"
    SCRIPTS = "scripts"
    OTHER = "other"
    GROUPS = "groups"


# Requests in any window. The directory has another kind of limit, which no test comes near.
LIMITS: Mapping[Area, int] = {
    Area.CATALOG: 1000,
    Area.CONFIGURATION: 1000,
    Area.ENROLLMENT: 1000,
    Area.SCRIPTS: 2000,
    Area.OTHER: 1000,
}


@dataclass(frozen=True, slots=True)
class Counted:
    """A request that arrived, alone or as a part of a batch; `at` is monotonic, in seconds."""

    method: str
    version: str
    path: str
    area: Area
    at: float
    status: int
    client_request_id: str | None


@dataclass(slots=True)
class Requests:
    """Every request to Graph since the start or the last `clear`, refused ones included."""

    log: list[Counted] = field(default_factory=list)
    batches: int = 0
    """The requests to `$batch`, which count only by their parts."""

    def __len__(self) -> int:
        return len(self.log)

    def clear(self) -> None:
        """Count from zero."""
        self.log.clear()
        self.batches = 0

    def to(self, pattern: str) -> int:
        """Count the requests whose path without its version matches, such as `/groups/*`."""
        return sum(fnmatchcase(one.path, pattern) for one in self.log)

    def by_area(self) -> Counter[Area]:
        """Count the requests of each area."""
        return Counter(one.area for one in self.log)

    def peak(self, area: Area, seconds: float = WINDOW_SECONDS) -> int:
        """Return the highest number of the area's requests in any window of this length."""
        times = sorted(one.at for one in self.log if one.area is area)
        highest = first = 0
        for last, at in enumerate(times):
            while at - times[first] >= seconds:
                first += 1
            highest = max(highest, last - first + 1)
        return highest

    def over_budget(self) -> dict[Area, int]:
        """Return the areas whose limit was exceeded, with their highest number in a window."""
        peaks = {area: self.peak(area) for area in LIMITS}
        return {area: peak for area, peak in peaks.items() if peak > LIMITS[area]}
