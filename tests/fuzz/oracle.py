"""Check what the API may send in response to any input.

The functions raise AssertionError for what it may not send.
"""

import json
from pathlib import Path
from typing import Any

import httpx

from domain.errors import ErrorCode

# Seconds. A correct response takes less than one.
DEADLINE = 10.0
STATUSES = frozenset({200, 307, 400, 401, 403, 404, 405, 406, 408, 413, 415, 429})
"""The statuses of docs/api.md, except 500 and 503: the API is never broken or unavailable here."""
CODES = frozenset(ErrorCode) - {ErrorCode.INTERNAL, ErrorCode.UNAVAILABLE}
CLOSE_CODES = frozenset({1000, 1002, 1007, 1009, 1013, *range(4400, 4500)})
"""The allowed close codes. 4500 means an internal error, 1006 and 1011 a crash."""


class Log:
    """The server's log in JSON lines, which may not show any fault of the server."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0

    def check(self) -> None:
        """Check new lines for errors, tracebacks and Python warnings."""
        with self._path.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        lines = new[: new.rfind(b"\n") + 1]
        self._read += len(lines)
        for line in lines.decode().splitlines():
            assert not is_alarming(line), f"The log shows: {line}"


def is_alarming(line: str) -> bool:
    """Return whether a line of the log shows a fault of the server."""
    try:
        record = json.loads(line)
    except ValueError:
        return True
    return (
        not isinstance(record, dict)
        or record.get("level") in ("ERROR", "CRITICAL")
        or record.get("logger") == "py.warnings"
        or "traceback" in record
    )


def check_answer(answer: httpx.Response) -> set[str]:
    """Return the codes of the errors in a response."""
    assert answer.status_code in STATUSES, f"{answer.status_code}: {answer.text}"
    if answer.is_redirect:
        return set()
    media_type = answer.headers.get("content-type", "").partition(";")[0]
    if media_type == "text/event-stream":
        # An error before the stream has a status; later ones are in the log.
        assert answer.status_code == 200, f"A stream with {answer.status_code}"
        return set()
    assert media_type in ("application/json", "application/graphql-response+json"), media_type
    return check_result(_json(answer.text))


def check_result(result: Any) -> set[str]:
    """Return the codes of the errors in a GraphQL result."""
    assert isinstance(result, dict), f"Not an object: {result!r}"
    assert result.keys() <= {"data", "errors", "extensions"}, f"Unknown keys: {result!r}"
    assert result.keys() & {"data", "errors"}, f"Neither data nor errors: {result!r}"
    assert isinstance(result.get("data"), dict | None), f"Not an object as data: {result!r}"
    return check_errors(result["errors"]) if "errors" in result else set()


def check_errors(errors: Any) -> set[str]:
    """Return the codes of a list of errors, which must be in `CODES`."""
    assert isinstance(errors, list), f"Not a list of errors: {errors!r}"
    assert errors, "An empty list of errors"
    for error in errors:
        assert isinstance(error, dict), f"Not an error: {error!r}"
        assert isinstance(error.get("message"), str), f"No message: {error!r}"
        assert error["message"], f"An empty message: {error!r}"
        assert isinstance(error.get("extensions"), dict), f"No code: {error!r}"
        assert error["extensions"].get("code") in CODES, f"A bad code: {error!r}"
    return {error["extensions"]["code"] for error in errors}


def check_message(text: str | bytes) -> str:
    """Return the type of a server's message on a WebSocket."""
    message = _json(text)
    assert isinstance(message, dict), f"Not a message: {text!r}"
    match message:
        case {"type": "connection_ack" | "ping" | "pong"}:
            pass
        case {"type": "next", "id": str(), "payload": result}:
            check_result(result)
        case {"type": "error", "id": str(), "payload": errors}:
            check_errors(errors)
        case {"type": "complete", "id": str()}:
            pass
        case _:
            raise AssertionError(f"Not a message of the protocol: {text!r}")
    kind: str = message["type"]
    return kind


def check_close(code: int | None, reason: str) -> None:
    """Check the code with which the server closed a WebSocket."""
    assert code in CLOSE_CODES, f"Closed with {code} {reason}"


def _json(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise AssertionError(f"Not JSON: {text!r}") from None
