"""Pages and cursors, without a database."""

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import BadInputError, LimitExceededError
from gql.ids import encode_base64
from gql.pages import (
    MAX_PAGE,
    Connection,
    Cursor,
    cursor_number,
    page_of,
    page_size,
)

# The same in every process of the tests, which compare their names.
TENANT = UUID("0b4a5c3e-6c1d-4a57-9d0e-1d3f4b2a7c58")
TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))


@given(TEXTS, st.uuids(), st.lists(TEXTS | st.integers(0, 2**63 - 1), max_size=3).map(tuple))
def test_a_decoded_cursor_equals_the_original(
    kind: str, tenant: UUID, values: tuple[str | int, ...]
) -> None:
    cursor = Cursor(kind, tenant, values)
    assert Cursor.decode(cursor.encode()) == cursor


def forged(*parts: Any) -> str:
    return encode_base64(json.dumps([*parts]))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "garbage",
        "\ud800",
        "x" * 10_000,
        encode_base64("no json"),
        encode_base64("{}"),
        encode_base64("null"),
        encode_base64("[" * 5000),
        encode_base64(f'["runs", "{TENANT.hex}", {"9" * 5000}]'),
        forged(),
        forged("runs"),
        forged("runs", 7),
        forged("runs", "no tenant"),
        forged(7, TENANT.hex),
        forged("runs", TENANT.hex, None),
        forged("runs", TENANT.hex, True),
        forged("runs", TENANT.hex, 1.5),
        forged("runs", TENANT.hex, ["a"]),
        forged("policies", TENANT.hex, "a\x00b"),
        forged("policies", TENANT.hex, "\ud800"),
        forged("policies \x00", TENANT.hex, "a"),
    ],
)
def test_a_text_that_was_never_issued_is_bad_input(text: str) -> None:
    with pytest.raises(BadInputError, match="is not a cursor of this list"):
        Cursor.decode(text)


@given(st.text() | TEXTS.map(encode_base64))
def test_any_text_is_decoded_or_bad_input(text: str) -> None:
    try:
        Cursor.decode(text)
    except BadInputError as error:
        assert len(str(error)) < 500


@pytest.mark.parametrize("value", ["7", -1, 2**31])
def test_a_cursors_number_fits_into_the_database(value: str | int) -> None:
    assert cursor_number(31)(2**31 - 1) == 2**31 - 1
    with pytest.raises(ValueError, match=r".*"):
        cursor_number(31)(value)


def test_a_page_has_25_members_by_default_and_at_most_100() -> None:
    assert page_size(None) == 25
    assert page_size(0) == 0
    assert page_size(MAX_PAGE) == MAX_PAGE == 100
    with pytest.raises(BadInputError):
        page_size(-1)
    with pytest.raises(LimitExceededError):
        page_size(MAX_PAGE + 1)


def flat(connection: Connection[str]) -> tuple[list[str], list[str], bool, bool, Any, Any]:
    page = connection.page_info
    assert [edge.node for edge in connection.edges] == connection.nodes
    return (
        connection.nodes,
        [edge.cursor for edge in connection.edges],
        page.has_previous_page,
        page.has_next_page,
        page.start_cursor,
        page.end_cursor,
    )


def forward(rows: list[int], size: int, after: str | None = None) -> Connection[str]:
    return page_of(rows, size, is_first=not after, node=str, cursor=lambda row: f"c{row}")


def backward(rows: list[int], size: int, before: str | None = None) -> Connection[str]:
    return page_of(
        rows, size, is_first=not before, node=str, cursor=lambda row: f"c{row}", backward=True
    )


def test_a_forward_page_reads_one_more_row_to_know_whether_more_follow() -> None:
    assert flat(forward([1, 2, 3], 2)) == (["1", "2"], ["c1", "c2"], False, True, "c1", "c2")
    assert flat(forward([3], 2, "c2")) == (["3"], ["c3"], True, False, "c3", "c3")
    assert flat(forward([], 2)) == ([], [], False, False, None, None)
    assert flat(forward([1], 0)) == ([], [], False, True, None, None)


def test_a_backward_page_is_in_the_lists_order() -> None:
    assert flat(backward([3, 2, 1], 2)) == (["2", "3"], ["c2", "c3"], True, False, "c2", "c3")
    assert flat(backward([1], 2, "c2")) == (["1"], ["c1"], False, True, "c1", "c1")
