"""Global ids can be decoded, and other texts are refused."""

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import BadInputError
from gql.ids import GlobalId, decode_base64, encode_base64, quoted

# The same in every process of the tests, which compare their names.
TENANT = "0b4a5c3e6c1d4a579d0e1d3f4b2a7c58"
# Texts that Postgres and UTF-8 can hold.
TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))


@given(st.from_regex(r"[A-Za-z]+", fullmatch=True), st.uuids(), TEXTS)
def test_a_decoded_id_equals_the_original(type_name: str, tenant: UUID, key: str) -> None:
    id_ = GlobalId(type_name, tenant, key)
    assert GlobalId.decode(id_.encode()) == id_


@given(TEXTS)
def test_an_id_fits_into_a_url(text: str) -> None:
    encoded = encode_base64(text)
    assert set(encoded) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
    assert decode_base64(encoded) == text


@given(st.text() | st.text().map(lambda text: encode_base64(text.encode(errors="ignore").decode())))
def test_any_text_is_decoded_or_bad_input(text: str) -> None:
    try:
        GlobalId.decode(text)
    except BadInputError as error:
        assert len(str(error)) < 500


@pytest.mark.parametrize(
    "text",
    [
        "",
        "=",
        "a",
        "Tenant",
        "\ud800",
        "é",
        "VGVuYW50",
        "x" * 10_000,
        encode_base64("Tenant"),
        encode_base64(f"Tenant:{TENANT}"),
        encode_base64("Tenant:1:"),
        encode_base64(f"Tenant:{TENANT}:a\x00b"),
        encode_base64(f"Tenant:{TENANT}:") + "\n",
    ],
)
def test_a_text_that_was_never_issued_is_bad_input(text: str) -> None:
    with pytest.raises(BadInputError, match="is not an id of this API"):
        GlobalId.decode(text)


def test_a_key_that_is_not_a_uuid_is_bad_input_where_one_is_needed() -> None:
    run = uuid4()
    assert GlobalId("OperationRun", uuid4(), run.hex).uuid_key() == run
    with pytest.raises(BadInputError, match="is not an id of this API"):
        GlobalId("OperationRun", uuid4(), "seven").uuid_key()


def test_a_message_repeats_at_most_one_line_of_a_text() -> None:
    assert quoted("abc") == "'abc'"
    assert len(quoted("x" * 10_000)) < 70
