"""Operations that schemathesis generates from the schema, with values that reach the database."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest
import schemathesis
from graphql import build_schema, get_introspection_query, parse_value
from hypothesis import given
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.graphql import nodes
from schemathesis.specs.graphql.schemas import GraphQLSchema

from tests.fuzz.cases import cases
from tests.fuzz.pool import MOMENTS, NUMBERS, Pool
from tests.fuzz.server import Server

# The server is a process without the package in tests/package.
BUILT = build_schema((Path(__file__).parents[2] / "schema.graphql").read_text())
ROOTS = (BUILT.query_type, BUILT.mutation_type)
LABELS = [f"{root.name}.{field}" for root in ROOTS if root for field in root.fields]
# Fields below a tenant are resolved only with our tenant's id, which is rarely drawn.
_TENANT = re.compile(r'((?:tenant\(id|tenantId): )"(?:[^"\\]|\\.)*"')


# What `startOperation` takes: parameters of the declared run types, and any other JSON.
_CONTEXTS = st.one_of(
    st.sampled_from(
        [
            '{scopeKey: "servers"}',
            '{scopeKey: "servers", allowEmpty: true}',
            '{report: "weekly", chapters: [{title: "One", words: 3}]}',
            '{backupSetId: "00000000-0000-0000-0000-000000000000", policies: [["servers", "a"]]}',
            '{scopeKey: "\\u0000"}',
            "{report: 1e999}",
        ]
    ),
    st.recursive(
        st.one_of(st.booleans(), st.integers(), st.text(max_size=20)).map(json.dumps),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3).map(lambda each: f"[{', '.join(each)}]"),
            st.dictionaries(st.sampled_from("abc"), inner, max_size=3).map(
                lambda each: f"{{{', '.join(f'{key}: {value}' for key, value in each.items())}}}"
            ),
        ),
    ),
)


@pytest.fixture(scope="module")
def served(roomy: Server, pool: Pool) -> GraphQLSchema:
    """The schema from introspection. Registers strategies for its scalars."""
    headers = {"Authorization": f"Bearer {pool.token()}"}
    response = roomy.http.post(
        "/graphql", json={"query": get_introspection_query()}, headers=headers
    )
    small = st.integers(0, 5)
    for name, strategy in {
        "ID": st.one_of(st.sampled_from(pool.real_ids), pool.ids).map(nodes.String),
        "String": st.one_of(pool.cursors, pool.texts, st.sampled_from(pool.ours.names)).map(
            nodes.String
        ),
        "DateTime": MOMENTS.map(nodes.String),
        "Int": st.one_of(small, small, small, NUMBERS).map(nodes.Int),
        "JSON": _CONTEXTS.map(parse_value),
    }.items():
        schemathesis.graphql.scalar(name, strategy)
    return schemathesis.graphql.from_dict(response.json()["data"])


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("mode", GenerationMode)
@given(data=st.data())
@cases(16)
def test_operations(
    roomy: Server,
    pool: Pool,
    served: GraphQLSchema,
    label: str,
    mode: GenerationMode,
    data: st.DataObject,
) -> None:
    operation = served.find_operation_by_label(label)
    assert operation is not None
    document = str(data.draw(operation.as_strategy(mode)).body)
    if data.draw(st.booleans()):
        document = _TENANT.sub(f'\\1"{pool.ours.world.global_id}"', document)
    roomy.ask(pool.token(), document)


def test_enough_cases_succeed(tallied: Counter[str]) -> None:
    assert tallied["good"] >= tallied["cases"] / 10
