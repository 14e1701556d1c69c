"""A request to Graph as the double handles it, alone or as a part of a batch, and the answer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4


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


class GraphError(Exception):
    """An answer that is an error."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})

    def reply(self, request_id: str, client_request_id: str | None) -> Reply:
        """Return the error in Graph's form."""
        error = {
            "code": self.code,
            "message": self.message,
            "innerError": {
                "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
                "request-id": request_id,
                "client-request-id": client_request_id or request_id,
            },
        }
        return Reply(self.status, {"error": error}, self.headers)


def intune_error(status: int, code: str, message: str) -> GraphError:
    """Return an error in the form of Intune's services: an object in the message's text."""
    activity = str(uuid4())
    text = {
        "_version": 3,
        "Message": f"{message} - Operation ID (for customer support): {uuid4()}"
        f" - Activity ID: {activity}",
        "CustomApiErrorPhrase": "",
        "RetryAfter": None,
        "ErrorSourceService": "",
        "HttpHeaders": "{}",
    }
    return GraphError(status, code, json.dumps(text, indent=2).replace("\n", "\r\n"))


def bad_request(message: str) -> GraphError:
    """Return the error for a query that Graph does not support."""
    return GraphError(400, "BadRequest", message)


def no_segment(segment: str) -> GraphError:
    """Return the error for a path that the version does not have."""
    return GraphError(400, "BadRequest", f"Resource not found for the segment '{segment}'.")
