"""GraphQL over HTTP: from a result to an HTTP response."""

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError

from domain.errors import ErrorCode
from gql.live.events import SharedResult
from gql.transport.negotiation import MediaType

STATUS: Mapping[str, int] = {
    ErrorCode.UNAUTHENTICATED: 401,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.BAD_USER_INPUT: 400,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.LIMIT_EXCEEDED: 400,
    ErrorCode.PERSISTED_QUERY_NOT_FOUND: 400,
    ErrorCode.PERSISTED_QUERY_NOT_SUPPORTED: 400,
    ErrorCode.DOCUMENT_NOT_REGISTERED: 400,
    ErrorCode.RATE_LIMITED: 429,
    ErrorCode.UNAVAILABLE: 503,
    ErrorCode.INTERNAL: 500,
}


def is_request_error(result: ExecutionResult) -> bool:
    """Return whether the request or stream failed as a whole, so that no field has the error."""
    if isinstance(result, PreExecutionError):
        return True
    errors = result.errors or []
    return result.data is None and bool(errors) and all(error.path is None for error in errors)


def status_of(result: ExecutionResult, media_type: MediaType) -> int:
    """Return the HTTP status for `result`.

    Partial data is a success. Without any data, 401, 403 and 429 are returned for every media
    type. Other errors without data have a status only where the client can distinguish it from a
    proxy's, which `application/json` does not allow (GraphQL over HTTP, "Status Codes").
    """
    if not result.errors or any(value is not None for value in (result.data or {}).values()):
        return 200
    codes = [str((error.extensions or {}).get("code")) for error in result.errors]
    for code in (ErrorCode.UNAUTHENTICATED, ErrorCode.FORBIDDEN, ErrorCode.RATE_LIMITED):
        if code in codes:
            return STATUS[code]
    if result.data is not None:
        return 200
    if media_type is MediaType.JSON:
        return 200
    for code in (ErrorCode.INTERNAL, ErrorCode.UNAVAILABLE):
        if code in codes:
            return STATUS[code]
    return STATUS[codes[0]] if is_request_error(result) else 200


def body_of(result: ExecutionResult) -> dict[str, object]:
    """Return the GraphQL response; a request error has no `data` entry at all."""
    body: dict[str, object] = {} if is_request_error(result) else {"data": result.data}
    if result.errors:
        body["errors"] = [error.formatted for error in result.errors]
    if result.extensions:
        body["extensions"] = result.extensions
    return body


def payload_of(result: ExecutionResult) -> bytes:
    """Return the response as JSON; a result that subscribers share is serialized once.

    Raises:
        TypeError: JSON cannot hold a value.
    """
    if not isinstance(result, SharedResult):
        return orjson.dumps(body_of(result))
    if result.payload is None:
        result.payload = orjson.dumps(body_of(result))
    return result.payload


def json_response(
    body: Mapping[str, object],
    status: int,
    media_type: MediaType,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return `body` as JSON; no cache may store it, since it depends on the caller's token."""
    always = {"Content-Type": f"{media_type}; charset=utf-8", "Cache-Control": "no-store"}
    response = Response(orjson.dumps(body), status, {**always, **(headers or {})})
    if status == STATUS[ErrorCode.UNAUTHENTICATED]:
        response.headers["WWW-Authenticate"] = "Bearer"
    if (seconds := _retry_after(body, status)) is not None:
        response.headers["Retry-After"] = str(seconds)
    return response


def _retry_after(body: Mapping[str, object], status: int) -> object:
    if status == STATUS[ErrorCode.UNAVAILABLE]:
        return 2
    if status == STATUS[ErrorCode.RATE_LIMITED]:
        errors: Any = body["errors"]
        return max(error["extensions"].get("retryAfter", 1) for error in errors)
    return None
