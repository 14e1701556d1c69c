"""GraphQL over HTTP: from an HTTP request to a GraphQL request."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.datastructures import QueryParams
from starlette.requests import Request

from domain.errors import BadInputError
from gql.documents.trusted import by_document_id, names_document

BODY_TIMEOUT = 30.0


class UnusableRequestError(BadInputError):
    """The HTTP request is not a GraphQL request that we can run."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """What a client asks for, well-formed but not yet parsed."""

    # None if the document is named in the extensions.
    query: str | None
    variables: dict[str, Any] | None
    operation_name: str | None
    extensions: dict[str, Any] | None

    def arguments(self) -> dict[str, Any]:
        """Return it as the arguments of the schema's `execute` and `stream`."""
        return {
            "query": self.query,
            "variable_values": self.variables,
            "operation_name": self.operation_name,
            "operation_extensions": self.extensions,
        }


def is_from_address_bar(request: Request) -> bool:
    """Return whether a person opened the endpoint in a browser, without asking for anything."""
    wants_page = "text/html" in request.headers.get("accept", "")
    asks = any(name in request.query_params for name in ("query", "documentId", "extensions"))
    return request.method == "GET" and wants_page and not asks


async def read_body(request: Request, limit: int) -> bytes:
    """Read the body of a POST; a GET has none.

    Args:
        request: a GET or POST request.
        limit: the most bytes that a body may have; reading stops there.

    Raises:
        UnusableRequestError: 408, 413 or 415.
    """
    if request.method == "GET":
        return b""
    _check_content_type(request.headers.get("content-type", ""))
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnusableRequestError(
            415, "Send the body as it is: no Content-Encoding.", {"Accept-Encoding": "identity"}
        )
    return await _read_body(request, limit)


def parse_request(request: Request, body: bytes) -> GraphQLRequest:
    """Return the GraphQL request in the URL of a GET or the body of a POST, whose URL is ignored.

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


def _checked(parameters: Mapping[str, Any]) -> GraphQLRequest:
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
    return GraphQLRequest(
        query=query,
        variables=parameters.get("variables"),
        operation_name=parameters.get("operationName"),
        extensions=by_document_id(parameters),
    )


def _check_content_type(header: str) -> None:
    media_type, *parameters = (part.strip().lower() for part in header.split(";"))
    charsets = [part[8:].strip('"') for part in parameters if part.startswith("charset=")]
    if media_type != "application/json" or charsets not in ([], ["utf-8"], ["utf8"]):
        raise UnusableRequestError(
            415, "Send the request as `Content-Type: application/json` in UTF-8."
        )


async def _read_body(request: Request, limit: int) -> bytes:
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length) > limit:
        raise _too_large(limit)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise _too_large(limit)
    except TimeoutError:
        raise UnusableRequestError(
            408, "The body came too slowly.", {"Connection": "close"}
        ) from None
    return bytes(body)


def _too_large(limit: int) -> UnusableRequestError:
    return UnusableRequestError(413, f"The body is larger than {limit} bytes.")
