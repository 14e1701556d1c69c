"""Documents that clients name by their SHA-256 instead of sending them."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from domain.documents.models import sha256_of
from domain.errors import (
    BadInputError,
    UnknownDocumentError,
    UnregisteredDocumentError,
    UnsupportedHashError,
)

_SHA256 = re.compile("[0-9a-f]{64}")


def names_document(parameters: Mapping[str, Any]) -> bool:
    """Return whether a request names a document by a hash, which may be malformed."""
    named = (parameters.get("extensions") or {}).get("persistedQuery")
    return parameters.get("documentId") is not None or named is not None


def by_document_id(parameters: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the request's `extensions`, with its `documentId` as Apollo's `persistedQuery`.

    Clients name a document in one of two ways: `documentId: "sha256:…"` (GraphQL over HTTP,
    persisted documents) or `extensions.persistedQuery.sha256Hash` (Apollo).

    Raises:
        BadInputError: the id is malformed.
        UnsupportedHashError: the hash is not a SHA-256.
    """
    id_, extensions = parameters.get("documentId"), parameters.get("extensions")
    if id_ is not None:
        kind, _, sha256 = id_.partition(":") if isinstance(id_, str) else ("", "", "")
        if kind != "sha256" or not _SHA256.fullmatch(sha256):
            raise BadInputError("`documentId` must be `sha256:` followed by the document's hash.")
        named = {"version": 1, "sha256Hash": sha256}
        extensions = {**(extensions or {}), "persistedQuery": named}
    _named(extensions)
    return extensions


async def requested_text(
    text: str | None,
    extensions: Mapping[str, Any] | None,
    find: Callable[[str], Awaitable[str | None]],
    *,
    only_trusted: bool,
) -> str | None:
    """Return the text of the document that a request sends or names.

    Args:
        text: the document, if the request sends it.
        extensions: the request's extensions, which may name the document.
        find: returns the text of the registered document with a SHA-256, or None.
        only_trusted: whether only registered documents may run.

    Raises:
        BadInputError: the hash does not match the text.
        UnsupportedHashError: the hash is not a SHA-256.
        UnknownDocumentError: no document with this hash is registered; the client may send it.
        UnregisteredDocumentError: only registered documents may run, and this is not one.
    """
    named = _named(extensions)
    if text and (named is not None or only_trusted):
        sha256 = sha256_of(text)
        if named not in (None, sha256):
            raise BadInputError("The hash is not the SHA-256 of the `query`.")
        if only_trusted and await find(sha256) is None:
            raise UnregisteredDocumentError
        return text
    if named is None:
        return text
    if (registered := await find(named)) is None:
        raise UnregisteredDocumentError if only_trusted else UnknownDocumentError
    return registered


def _named(extensions: Mapping[str, Any] | None) -> str | None:
    query = (extensions or {}).get("persistedQuery")
    if query is None:
        return None
    sha256 = query.get("sha256Hash") if isinstance(query, dict) else None
    if not isinstance(sha256, str) or _SHA256.fullmatch(sha256) is None:
        raise UnsupportedHashError
    return sha256
