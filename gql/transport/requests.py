"""GraphQL over HTTP: from an HTTP request to the parameters of an operation."""

import asyncio
import re
import secrets
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect, Request

from domain.errors import BadInputError
from gql.documents.trusted import names_document
from gql.request import GraphQLParams

# Bytes, and the seconds in which they have to arrive.
BODY_LIMIT = 256 * 1024
BODY_TIMEOUT = 30.0

_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{1,64}")


class UnusableRequestError(BadInputError):
    """The HTTP request is not a GraphQL request that this server can run."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}


def request_id(headers: Mapping[str, str]) -> str:
    """Return the client's X-Request-Id if it is well-formed, else a new id."""
    sent = headers.get("x-request-id", "")
    return sent if _REQUEST_ID.fullmatch(sent) else secrets.token_hex(16)


def is_from_address_bar(request: Request) -> bool:
    """Return whether a person opened the endpoint in a browser, without a query."""
    if request.method != "GET" or "text/html" not in request.headers.get("accept", ""):
        return False
    return not any(name in request.query_params for name in ("query", "documentId", "extensions"))


async def read_body(request: Request) -> bytes:
    """Read the body of a POST; the body of a GET is ignored.

    Raises:
        UnusableRequestError: 408, 413 or 415.
    """
    if request.method == "GET":
        return b""
    _check_content_type(request.headers.get("content-type", ""))
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnusableRequestError(
            415, "Send the body without a Content-Encoding.", {"Accept-Encoding": "identity"}
        )
    return await _read_body(request)


def parse_request(request: Request, body: bytes) -> GraphQLParams:
    """Return the parameters in the URL of a GET or in the body of a POST.

    Raises:
        UnusableRequestError: 400.
    """
    if request.method == "GET":
        return _checked(_from_url(request.query_params))
    try:
        parameters = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise UnusableRequestError(400, "The body is not valid JSON.") from None
    if isinstance(parameters, list):
        raise UnusableRequestError(
            400, "Batches are not supported: send one operation per request."
        )
    if not isinstance(parameters, dict):
        raise UnusableRequestError(400, "The body must be a JSON object.")
    return _checked(parameters)


def _from_url(query_params: QueryParams) -> dict[str, object]:
    parameters: dict[str, object] = dict(query_params)
    for name in ("query", "documentId", "operationName", "variables", "extensions"):
        if len(query_params.getlist(name)) > 1:
            raise UnusableRequestError(400, f"Send `{name}` once.")
    for name in ("variables", "extensions"):
        if text := query_params.get(name):
            try:
                parameters[name] = orjson.loads(text)
            except orjson.JSONDecodeError:
                raise UnusableRequestError(400, f"`{name}` is not valid JSON.") from None
        else:
            parameters[name] = None
    return parameters


def _checked(parameters: Mapping[str, Any]) -> GraphQLParams:
    for name in ("variables", "extensions"):
        if not isinstance(parameters.get(name), dict | None):
            raise UnusableRequestError(400, f"`{name}` must be an object.")
    if not isinstance(parameters.get("operationName"), str | None):
        raise UnusableRequestError(400, "`operationName` must be a string.")
    query = parameters.get("query")
    if not isinstance(query, str | None) or not (query or names_document(parameters)):
        raise UnusableRequestError(
            400, "`query` is missing: send the GraphQL document as a string."
        )
    return GraphQLParams.of(parameters)


def _check_content_type(header: str) -> None:
    media_type, *parameters = (part.strip().lower() for part in header.split(";"))
    charsets = [part[8:].strip('"') for part in parameters if part.startswith("charset=")]
    if media_type != "application/json" or charsets not in ([], ["utf-8"], ["utf8"]):
        raise UnusableRequestError(
            415, "Send the request as `Content-Type: application/json` in UTF-8."
        )


async def _read_body(request: Request) -> bytes:
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length) > BODY_LIMIT:
        raise _too_large()
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            is_complete = False
            while not is_complete:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                body += message.get("body", b"")
                is_complete = not message.get("more_body", False)
                if len(body) > BODY_LIMIT:
                    raise _too_large()
    except TimeoutError:
        raise UnusableRequestError(
            408, "The body arrived too slowly.", {"Connection": "close"}
        ) from None
    return bytes(body)


def _too_large() -> UnusableRequestError:
    return UnusableRequestError(413, f"The body is larger than {BODY_LIMIT} bytes.")
