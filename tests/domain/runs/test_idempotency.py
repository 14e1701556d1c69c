"""Two starts have the same key if and only if they mean the same work."""

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.runs.idempotency import idempotency_key

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


def _reverse(value: Any) -> Any:
    """Return the same content with the keys of every mapping in reverse order."""
    if isinstance(value, dict):
        return {key: _reverse(value[key]) for key in reversed(value)}
    if isinstance(value, list):
        return [_reverse(item) for item in value]
    return value


@given(st.dictionaries(st.text(max_size=3), _VALUES, max_size=5))
def test_the_order_of_keys_is_irrelevant(context: dict[str, Any]) -> None:
    key = idempotency_key("inventory.sync", context)
    assert key == idempotency_key("inventory.sync", _reverse(context))
    assert len(key) == 32


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"ids": ["a", "b"]}, {"ids": ["b", "a"]}),
        ({"id": 1}, {"id": "1"}),
        ({"id": 1}, {"id": True}),
        ({"id": 0}, {"id": False}),
        ({"id": None}, {"id": "null"}),
        ({"id": None}, {}),
        ({"id": ""}, {"id": None}),
        ({"id": []}, {"id": {}}),
        ({"id": ["a"]}, {"id": "a"}),
        ({"a": "b,c"}, {"a": ["b", "c"]}),
        ({"a": "1", "b": "2"}, {"a": "2", "b": "1"}),
        ({"a": {"b": 1}}, {"a": 1, "b": 1}),
        ({"scopeKey": "prod"}, {"scopeKey": "Prod"}),
    ],
)
def test_other_content_is_other_work(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert idempotency_key("inventory.sync", one) != idempotency_key("inventory.sync", other)


def test_another_type_is_other_work() -> None:
    context = {"scopeKey": "prod"}
    assert idempotency_key("inventory.sync", context) != idempotency_key("drift.generate", context)


def test_the_key_is_the_same_in_every_process_and_version() -> None:
    written = b'["inventory.sync",{"scopeKey":"prod"}]'
    key = idempotency_key("inventory.sync", {"scopeKey": "prod"})
    assert key == hashlib.sha256(written).digest()
