"""A request names its document by text or by hash."""

from typing import Any

import pytest

from domain.documents.models import sha256_of
from domain.errors import (
    BadInputError,
    UnknownDocumentError,
    UnregisteredDocumentError,
    UnsupportedHashError,
)
from gql.documents.trusted import by_document_id, names_document, requested_text

KNOWN, UNKNOWN = "{ viewer { name } }", "{ viewer { email } }"


async def find(sha256: str) -> str | None:
    """Look up the only registered document."""
    return KNOWN if sha256 == sha256_of(KNOWN) else None


def named(text: str) -> dict[str, Any]:
    return {"persistedQuery": {"version": 1, "sha256Hash": sha256_of(text)}}


async def meant(text: str | None, extensions: Any, *, only_trusted: bool) -> str | None:
    return await requested_text(text, extensions, find, only_trusted=only_trusted)


@pytest.mark.parametrize("only_trusted", [False, True])
@pytest.mark.parametrize(
    ("text", "extensions"),
    [(None, named(KNOWN)), ("", named(KNOWN)), (KNOWN, named(KNOWN)), (KNOWN, None)],
)
async def test_a_registered_document_may_be_sent_or_named(
    text: str | None, extensions: Any, only_trusted: bool
) -> None:
    assert await meant(text, extensions, only_trusted=only_trusted) == KNOWN


async def test_any_document_may_be_sent_unless_only_registered_ones_may_run() -> None:
    for extensions in (None, {}, named(UNKNOWN)):
        assert await meant(UNKNOWN, extensions, only_trusted=False) == UNKNOWN
        with pytest.raises(UnregisteredDocumentError, match="Only registered documents"):
            await meant(UNKNOWN, extensions, only_trusted=True)


async def test_an_unknown_hash_asks_for_the_text_only_where_that_helps() -> None:
    with pytest.raises(UnknownDocumentError, match=r"^PersistedQueryNotFound$") as caught:
        await meant(None, named(UNKNOWN), only_trusted=False)
    assert "Send the whole `query`" in str(caught.value.details["hint"])
    with pytest.raises(UnregisteredDocumentError):
        await meant(None, named(UNKNOWN), only_trusted=True)


async def test_a_hash_of_another_text_is_refused() -> None:
    with pytest.raises(BadInputError, match="is not the SHA-256"):
        await meant(UNKNOWN, named(KNOWN), only_trusted=False)


@pytest.mark.parametrize(
    "persisted",
    [7, [], {}, *({"sha256Hash": wrong} for wrong in (None, "a", sha256_of(KNOWN).upper()))],
)
async def test_a_malformed_hash_is_refused(persisted: object) -> None:
    # The text may be registered, so sending it helps even if only registered documents run.
    for only_trusted in (False, True):
        with pytest.raises(UnsupportedHashError, match=r"^PersistedQueryNotSupported$") as caught:
            await meant(None, {"persistedQuery": persisted}, only_trusted=only_trusted)
        assert "must be a SHA-256" in str(caught.value.details["hint"])


@pytest.mark.parametrize("value", [None, "", 7, "sha256:a"])
def test_null_names_no_document(value: object) -> None:
    named = value is not None
    assert names_document({"documentId": value}) == named
    assert names_document({"extensions": {"persistedQuery": value}}) == named


def test_a_document_id_is_a_hash_too() -> None:
    id_ = f"sha256:{sha256_of(KNOWN)}"
    assert by_document_id({"documentId": id_}) == named(KNOWN)
    assert by_document_id({"documentId": id_, "extensions": {"a": 1}}) == {"a": 1, **named(KNOWN)}
    assert by_document_id({"extensions": {"a": 1}}) == {"a": 1}
    assert by_document_id({}) is None


@pytest.mark.parametrize("id_", ["", "abc", "md5:abc", 7, ["sha256:a"]])
def test_a_document_id_of_another_kind_is_refused(id_: object) -> None:
    with pytest.raises(BadInputError, match="documentId"):
        by_document_id({"documentId": id_})
