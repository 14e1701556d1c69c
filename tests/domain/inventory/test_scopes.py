"""A scope key is one plain name and never a way out."""

import pytest

from domain.inventory.scopes import valid_scope_key


@pytest.mark.parametrize(
    "key", ["a", "windows-v3.5", "Büro West", "_drafts", "-x-", "2026", "a..b", "x" * 100]
)
def test_plain_names_are_keys(key: str) -> None:
    assert valid_scope_key(key)


@pytest.mark.parametrize(
    "key",
    [
        *("", ".", "..", ".hidden", "a/b", "a\\b", "/", "../x", "a:b"),
        *(" a", "a ", "a\nb", "a\n", "a\0", "x" * 101, "caf\udce9"),
    ],
)
def test_everything_else_is_refused(key: str) -> None:
    assert not valid_scope_key(key)
