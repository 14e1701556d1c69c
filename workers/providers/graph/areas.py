"""The areas of Graph, each of which limits an app's requests by itself."""

from datetime import timedelta
from enum import StrEnum

# From Microsoft's pages about the limits of its services.
WINDOW = timedelta(seconds=20)


class Area(StrEnum):
    """What shares one limit of requests, per app and Entra tenant."""

    CATALOG = "settings catalog"
    CONFIGURATION = "device configurations and compliance"
    ENROLLMENT = "enrollment"
    SCRIPTS = "scripts"
    OTHER = "other policies"
    GROUPS = "groups"

    @property
    def limit(self) -> int:
        """The most requests in any window."""
        return 2000 if self is Area.SCRIPTS else 1000
