"""Valid and invalid ids, cursors, texts, filters and numbers, in every argument of that type."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.cases import cases
from tests.fuzz.pool import JSON, NUMBERS, Pool, filters
from tests.fuzz.server import Server
from tests.gql.arguments import Argument, arguments

EVENTS = "text/event-stream"
LIST = """query ($tenant: ID!, $filter: OperationRunFilter,
  $first: Int, $after: String, $last: Int, $before: String) {
  tenant(id: $tenant) {
    operationRuns(filter: $filter, first: $first, after: $after, last: $last, before: $before) {
      edges { cursor node { id status progress } } pageInfo { endCursor hasPreviousPage } }
    operationRunFacets(filter: $filter) { truncated byRunType { runType count } } } }"""
FEED = """subscription ($tenant: ID!, $filter: OperationRunFilter, $after: String) {
  operationRuns(tenantId: $tenant, filter: $filter, after: $after) { __typename } }"""
SETTINGS = """mutation ($tenant: ID!, $days: Int!) {
  updateTenantSettings(input: {tenantId: $tenant, retentionDays: $days}) {
    tenant { retentionDays } userErrors { code field } } }"""
ENTITIES = """query ($all: [_Any!]!) { _entities(representations: $all) {
  __typename ... on Node { id } ... on OperationRun { status tenant { slug } } } }"""


def value_of(argument: Argument, pool: Pool) -> st.SearchStrategy[Any]:
    """Values for the argument, most of them of its type."""
    one = {"id": pool.ids, "cursor": pool.cursors, "text": pool.texts}[argument.kind]
    valid = (
        st.lists(one, max_size=6) | st.lists(one, min_size=99, max_size=102)
        if argument.is_list
        else one
    )
    return st.one_of(valid, valid, valid, JSON)


@pytest.mark.parametrize("argument", arguments(), ids=str)
@given(data=st.data())
@cases(12)
def test_arguments(roomy: Server, pool: Pool, argument: Argument, data: st.DataObject) -> None:
    value = data.draw(value_of(argument, pool))
    headers = {"Accept": EVENTS} if argument.type_name == "Subscription" else {}
    roomy.ask(pool.token(), argument.document, argument.variables(pool.ours, value), **headers)


@given(data=st.data())
@cases(150)
def test_pages_of_a_filter(strict: Server, pool: Pool, data: st.DataObject) -> None:
    paged = st.fixed_dictionaries(
        {},
        optional={
            "first": st.none() | NUMBERS,
            "after": st.none() | pool.cursors,
            "last": st.none() | NUMBERS,
            "before": st.none() | pool.cursors,
        },
    )
    # Most combinations of page arguments are invalid, so draw filters without them too.
    page: dict[str, Any] = data.draw(st.just({}) | paged)
    filter_ = data.draw(st.none() | filters(pool))
    variables = {"tenant": pool.ours.world.global_id, "filter": filter_, **page}
    strict.ask(pool.token(), LIST, variables)


@given(data=st.data())
@cases(40)
def test_feeds_of_a_filter(roomy: Server, pool: Pool, data: st.DataObject) -> None:
    optional = {"filter": filters(pool), "after": st.none() | pool.cursors}
    ours = st.just(pool.ours.world.global_id)
    tenant = st.one_of(ours, ours, ours, pool.ids)
    variables = data.draw(st.fixed_dictionaries({"tenant": tenant}, optional=optional))
    roomy.ask(pool.token(), FEED, variables, Accept=EVENTS)


@given(data=st.data())
@cases(150)
def test_representations(roomy: Server, pool: Pool, data: st.DataObject) -> None:
    types = st.sampled_from([*pool.ours.ids, "Node", "_Service", "Nonsense"])
    one = st.fixed_dictionaries(
        {"__typename": st.one_of(types, types, types, pool.texts, JSON)},
        optional={"id": st.one_of(pool.ids, pool.ids, pool.ids, JSON), "cost": JSON},
    )
    some = st.lists(st.one_of(one, one, one, JSON), max_size=6)
    many = st.lists(one, min_size=99, max_size=102)
    all_ = data.draw(st.one_of(some, some, many, JSON))
    roomy.ask(pool.token(), ENTITIES, {"all": all_})


@given(days=NUMBERS | st.integers() | JSON)
@cases(25)
def test_numbers(strict: Server, pool: Pool, days: Any) -> None:
    strict.ask(pool.token(), SETTINGS, {"tenant": pool.ours.world.global_id, "days": days})


def test_enough_cases_succeed(tallied: Counter[str]) -> None:
    assert tallied["good"] >= tallied["cases"] / 10
