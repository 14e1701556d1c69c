"""The cost of a document."""

from typing import Any

import pytest
from graphql import get_introspection_query, get_operation_ast, parse

from domain.errors import LimitExceededError
from domain.runs.repository.facets import INITIATOR_LIMIT
from gql.limits.cost import ACTION, BASE, LIST, CostModel
from gql.limits.limits import Limits
from gql.limits.shape import fragments_of
from gql.pages import DEFAULT_PAGE, MAX_PAGE
from gql.runs.subscriptions import SNAPSHOT_RUNS
from gql.schema import core_schema

MODEL = CostModel(core_schema)
FACETS = 25


def cost(text: str, **variables: Any) -> int:
    document = parse(text)
    operation = get_operation_ast(document)
    assert operation is not None
    return MODEL.cost(operation, fragments_of(document), variables)


def page(arguments: str, selection: str = "nodes { id }") -> str:
    return f'{{ tenant(id: "t") {{ operationRuns{arguments} {{ {selection} }} }} }}'


# The tenant and the connection.
ABOVE = BASE + 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{ __typename }", BASE),
        ("{ viewer { name email } }", BASE + 1),
        ("{ viewer { memberships { role tenant { slug } } } }", BASE + 1 + LIST * 2),
        ('{ node(id: "x") { id ... on OperationRun { counts { total } } } }', BASE + 2),
        ('{ nodes(ids: ["a", "b", "c"]) { id } }', BASE + 3),
        (page(""), ABOVE + DEFAULT_PAGE),
        (page("(first: 3)"), ABOVE + 3),
        (page("(first: 0)"), ABOVE),
        (page("(first: null)"), ABOVE + DEFAULT_PAGE),
        (page("(last: 4)"), ABOVE + 4),
        (page("(first: 2, last: 4)"), ABOVE + 4),
        (page("(first: -5)"), ABOVE),
        (page("(first: 3)", "edges { cursor node { id } } pageInfo { endCursor }"), ABOVE + 7),
        (page("(first: 3)", "nodes { failures(first: 2) { nodes { message } } }"), ABOVE + 12),
        (
            page("(first: 3)", "nodes { initiator { name } related { __typename } }"),
            ABOVE + 3 * (2 + LIST),
        ),
        ('{ tenant(id: "t") { operationRunFacets { truncated } } }', BASE + 2 + FACETS),
        (
            '{ tenant(id: "t") { operationRunFacets { byInitiator { initiator { name } } } } }',
            BASE + 2 + FACETS + INITIATOR_LIMIT * 2,
        ),
        ("mutation { markNotificationsRead(input: {}) { unreadCount } }", BASE + 1 + ACTION),
        (
            "mutation { markNotificationsRead(input: {}) { notifications { run { id } } } }",
            BASE + 1 + ACTION + MAX_PAGE * 2,
        ),
        ('subscription { notifications(tenantId: "t") { id } }', BASE + 1 + ACTION),
        (
            'subscription { operationRuns(tenantId: "t") { ... on FeedReset { runs { id } } } }',
            BASE + 1 + ACTION + SNAPSHOT_RUNS,
        ),
        ('{ __type(name: "Query") { name } }', BASE + 1),
        ('{ __type(name: "Query") { fields { args { name } } } }', BASE + 3),
    ],
)
def test_a_document_has_its_cost(text: str, expected: int) -> None:
    assert cost(text) == expected


def test_a_fragment_costs_wherever_it_is_spread() -> None:
    text = page("(first: 3)", "nodes { ...F } edges { node { ...F } }")
    fragment = " fragment F on OperationRun { initiator { name } }"
    assert cost(text + fragment) == ABOVE + 3 * 2 + 3 * 3


@pytest.mark.parametrize(
    ("declared", "variables", "size"),
    [
        ("$n: Int", {"n": 7}, 7),
        ("$n: Int = 6", {}, 6),
        ("$n: Int = 6", {"n": 5}, 5),
        ("$n: Int = 6", {"n": None}, DEFAULT_PAGE),
        ("$n: Int", {}, DEFAULT_PAGE),
        ("$n: Int", {"n": 7.0}, 7),
        ("$n: Int", {"n": 7.5}, DEFAULT_PAGE),
        ("$n: Int", {"n": float("inf")}, DEFAULT_PAGE),
        ("$n: Int", {"n": "7"}, DEFAULT_PAGE),
    ],
)
def test_a_page_may_be_a_variable(declared: str, variables: dict[str, Any], size: int) -> None:
    assert cost(f"query ({declared}) {page('(first: $n)')}", **variables) == ABOVE + size


def test_tools_may_introspect_the_whole_schema_but_not_repeatedly() -> None:
    whole = cost(get_introspection_query())
    assert 500 < whole < Limits().cost / 2
    again = "types { fields { args { type { name } } type { name } } }"
    once = cost(f"{{ __schema {{ {again} }} }}")
    forty = " ".join(f"a{number}: __schema {{ {again} }}" for number in range(40))
    inside = " ".join(f"a{number}: {again}" for number in range(40))
    for text in (f"{{ {forty} }}", f"{{ __schema {{ {inside} }} }}"):
        assert cost(text) > max(Limits().cost, 39 * (once - BASE - 1))


def test_ids_may_be_a_variable() -> None:
    assert cost("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=["a", "b"]) == BASE + 2


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        (page(f"(first: {MAX_PAGE + 1})"), {}),
        (page(f"(last: {MAX_PAGE + 1})"), {}),
        (f"query ($n: Int) {page('(first: $n)')}", {"n": 10**9}),
        (f"query ($n: Int) {page('(first: $n)')}", {"n": 1e9}),
        (f"query ($n: Int = 101) {page('(first: $n)')}", {}),
        ("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": ["x"] * 101}),
    ],
)
def test_a_page_that_is_too_large_is_refused(text: str, variables: dict[str, Any]) -> None:
    with pytest.raises(LimitExceededError, match=f"at most {MAX_PAGE} items"):
        cost(text, **variables)
