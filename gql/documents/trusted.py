"""Documents that clients name by their SHA-256 instead of sending them."""

import re
from collections.abc import Mapping
from typing import Any, Protocol

from domain.documents.models import sha256_of
from domain.errors import (
    BadInputError,
    UnknownDocumentError,
    UnregisteredDocumentError,
    UnsupportedHashError,
)

_SHA256 = re.compile("[0-9a-f]{64}")


class TrustedDocuments(Protocol):
    """The documents that were registered."""

    async def find(self, sha256: str) -> str | None:
        """Return the document's text; None when there is none with this hash, in hexadecimals."""
        ...


def names_document(parameters: Mapping[str, Any]) -> bool:
    """Return whether a request names a document, rightly or not, and so need not send it."""
    named = (parameters.get("extensions") or {}).get("persistedQuery")
    return parameters.get("documentId") is not None or named is not None


def by_document_id(parameters: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the request's `extensions`; an id given as `documentId` is put into them.

    So both ways of naming a document come to one: `documentId: "sha256:…"` (GraphQL over
    HTTP, persisted documents) and `extensions.persistedQuery.sha256Hash` (Apollo).

    Raises:
        BadInputError: the id is malformed.
        UnsupportedHashError: the hash is not a SHA-256.
    """
    id_, extensions = parameters.get("documentId"), parameters.get("extensions")
    if id_ is not None:
        kind, _, sha256 = id_.partition(":") if isinstance(id_, str) else ("", "", "")
        if kind != "sha256" or not _SHA256.fullmatch(sha256):
            raise BadInputError("`documentId` must be `sha256:` and the document's hash.")
        named = {"version": 1, "sha256Hash": sha256}
        extensions = {**(extensions or {}), "persistedQuery": named}
    _named(extensions)
    return extensions


async def requested_text(
    text: str | None,
    extensions: Mapping[str, Any] | None,
    trusted: TrustedDocuments,
    *,
    only_trusted: bool,
) -> str | None:
    """Return the text of the document that a request sends or names.

    Raises:
        BadInputError: the hash is not that of the text beside it.
        UnsupportedHashError: the hash is not a SHA-256. Its text may be registered all the same.
        UnknownDocumentError: no document with this hash is registered, but its text may be sent.
        UnregisteredDocumentError: only registered documents are run. Of one that is named alone
            the text would not help either: it has the same hash.
    """
    named = _named(extensions)
    if text and (named is not None or only_trusted):
        sha256 = sha256_of(text)
        if named not in (None, sha256):
            raise BadInputError("The hash is not the SHA-256 of the `query` beside it.")
        if only_trusted and await trusted.find(sha256) is None:
            raise UnregisteredDocumentError
        return text
    if named is None:
        return text
    found = await trusted.find(named)
    if found is None:
        raise UnregisteredDocumentError if only_trusted else UnknownDocumentError
    return found


def _named(extensions: Mapping[str, Any] | None) -> str | None:
    query = (extensions or {}).get("persistedQuery")
    if query is None:
        return None
    sha256 = query.get("sha256Hash") if isinstance(query, dict) else None
    if not isinstance(sha256, str) or _SHA256.fullmatch(sha256) is None:
        raise UnsupportedHashError
    return sha256
