"""Which subscriptions are equal, so that they share executions."""

from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from graphql import OperationDefinitionNode, build_schema, parse

from gql.live.executions import Equality

SCHEMA = build_schema(
    "type Query { a: Int } type Subscription { a(after: String, b: String): Int }"
)


def key(text: str, **variables: str) -> object:
    document = parse(text)
    node = cast("OperationDefinitionNode", document.definitions[0])
    operation: Any = SimpleNamespace(
        text=text,
        name=None,
        document=document,
        node=node,
        variables=variables,
        user_id=UUID(int=1),
    )
    return Equality(SCHEMA).key(operation)


def test_where_a_stream_begins_makes_no_difference() -> None:
    text = "subscription ($x: String) { a(after: $x) }"
    assert key(text, x="1") == key(text, x="2")


@pytest.mark.parametrize("use", ["$x", "$ x", "$,x", "$ # here\n x"])
def test_a_start_that_is_used_elsewhere_makes_a_difference(use: str) -> None:
    text = f"subscription ($x: String) {{ a(after: $x, b: {use}) }}"
    assert key(text, x="1") != key(text, x="2")
