"""Faults that a test switches on by path and count.

    double.faults.add("/deviceManagement/configurationPolicies/*/settings", throttled(3), times=2)
    double.faults.add("/deviceManagement/*", error(401, "InvalidAuthenticationToken"), after=10)
    double.faults.add("/groups/delta", Slow(0.5), times=None)

A path has no version; `*` stands for any text, slashes included. The token endpoint is `/token`.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from fnmatch import fnmatchcase
from typing import Literal, TypeVar

from tests.graph.errors import GraphError

F = TypeVar("F", bound="Fault")


class Fault:
    """What can go wrong with a request."""


@dataclass(frozen=True, slots=True)
class Answered(Fault):
    """Graph answers with an error."""

    status: int
    code: str
    message: str = "An error has occurred."
    retry_after: float | str | None = None
    as_date: bool = False

    def error(self) -> GraphError:
        """Return the error to answer with now."""
        headers = {}
        if self.as_date:
            moment = datetime.now(UTC) + timedelta(seconds=float(self.retry_after or 0))
            headers["Retry-After"] = format_datetime(moment, usegmt=True)
        elif self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        return GraphError(self.status, self.code, self.message, headers)


def error(status: int, code: str | None = None) -> Answered:
    """Return the fault of an error without `Retry-After`, such as 404 or 502."""
    return Answered(status, code or _CODES.get(status, "UnknownError"))


def throttled(
    retry_after: float | str | None = 1, *, as_date: bool = False, status: int = 429
) -> Answered:
    """Return the fault of a 429 or 503.

    `retry_after` is in seconds, any text, or None for no header; `as_date` writes a moment.
    """
    message = "Please retry again later."
    return Answered(status, _CODES[status], message, retry_after, as_date)


@dataclass(frozen=True, slots=True)
class Slow(Fault):
    """The answer takes this many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Cut(Fault):
    """The connection is cut before the answer, or within it."""

    when: Literal["before", "within"] = "before"


@dataclass(frozen=True, slots=True)
class ForeignLink(Fault):
    """The nextLink points to another host."""

    url: str = "https://graph.example.com/v1.0/stolen"


@dataclass(frozen=True, slots=True)
class RepeatingLink(Fault):
    """The nextLink is the address of the page itself."""


@dataclass(frozen=True, slots=True)
class NoAssignments(Fault):
    """A policy's assignments come back empty; its path ends in `/assignments`."""


@dataclass(frozen=True, slots=True)
class OtherOrder(Fault):
    """A policy's assignments come in another order; its path ends in `/assignments`."""


@dataclass(slots=True)
class Switch:
    """A fault that is switched on."""

    path: str
    fault: Fault
    left: int | None
    after: int
    hits: int = 0
    """How often it happened."""


@dataclass(slots=True)
class Faults:
    """The faults that are switched on."""

    switches: list[Switch] = field(default_factory=list)

    def add(self, path: str, fault: Fault, *, times: int | None = 1, after: int = 0) -> Switch:
        """Let the fault happen to this many requests, None for all, after `after` good ones."""
        switch = Switch(path, fault, times, after)
        self.switches.append(switch)
        return switch

    def clear(self) -> None:
        """Switch all faults off."""
        self.switches.clear()

    def take(self, path: str, kind: type[F]) -> F | None:
        """Return the fault of this kind that happens to a request now, if any."""
        for switch in self.switches:
            if (
                not isinstance(switch.fault, kind)
                or switch.left == 0
                or not fnmatchcase(path, switch.path)
            ):
                continue
            if switch.after > 0:
                switch.after -= 1
                continue
            switch.hits += 1
            if switch.left is not None:
                switch.left -= 1
            return switch.fault
        return None


_CODES = {
    400: "BadRequest",
    401: "InvalidAuthenticationToken",
    403: "Forbidden",
    404: "ResourceNotFound",
    410: "resyncRequired",
    429: "TooManyRequests",
    500: "InternalServerError",
    502: "BadGateway",
    503: "ServiceUnavailable",
    504: "GatewayTimeout",
}
