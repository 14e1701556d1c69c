"""A scope key is one plain name and never a path."""

import unicodedata

import pytest

from domain.inventory.scopes import normal_scope_key, valid_scope_key


@pytest.mark.parametrize(
    "key",
    [
        *("a", "windows-v3.5", "Büro West", "_drafts", "-x-", "2026", "a..b", "x" * 100),
        *("हिन्दी", "தமிழ்", "שָׁלוֹם", unicodedata.normalize("NFD", "Zürich Süd")),
    ],
)
def test_plain_names_are_keys(key: str) -> None:
    assert valid_scope_key(key)


@pytest.mark.parametrize(
    "key",
    [
        *("", ".", "..", ".hidden", "a/b", "a\\b", "/", "../x", "a:b"),
        *(" a", "a ", "a\nb", "a\n", "a\0", "x" * 101, "caf\udce9"),
        # Combining marks without a letter.
        *("\u0301", "1\u0301", "a \u0301b", "-\u0301"),
    ],
)
def test_everything_else_is_refused(key: str) -> None:
    assert not valid_scope_key(key)


def test_two_spellings_of_a_name_are_one_key() -> None:
    composed, decomposed = (unicodedata.normalize(form, "Zürich") for form in ("NFC", "NFD"))
    assert composed != decomposed
    assert normal_scope_key(decomposed) == normal_scope_key(composed) == composed
