"""The errors of Graph, of Intune behind it, and of Microsoft Entra, in their real shape."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import uuid4

from tests.graph.calls import Reply


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

    def reply(self, request_id: str, client_request_id: str) -> Reply:
        """Return the error in Graph's form."""
        error = {
            "code": self.code,
            "message": self.message,
            "innerError": {
                "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
                "request-id": request_id,
                "client-request-id": client_request_id,
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


class EntraError(Exception):
    """An error of the token endpoint; `code` is the number after `AADSTS`."""

    def __init__(self, status: int, error: str, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error = error
        self.code = code
        self.message = message

    def reply(self) -> Reply:
        """Return the error in Entra's form."""
        trace, correlation = str(uuid4()), str(uuid4())
        moment = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        body = {
            "error": self.error,
            "error_description": f"AADSTS{self.code}: {self.message} Trace ID: {trace}"
            f" Correlation ID: {correlation} Timestamp: {moment}",
            "error_codes": [self.code],
            "timestamp": moment,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": f"https://login.microsoftonline.com/error?code={self.code}",
        }
        return Reply(self.status, body)
