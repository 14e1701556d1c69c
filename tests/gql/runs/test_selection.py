"""A list reads only the columns of the selected fields, and every field gets its columns."""

from typing import Any

import pytest
from graphql import GraphQLObjectType, GraphQLOutputType, get_named_type, is_leaf_type

from gql.schema import schema
from tests.gql.api import RunningApi
from tests.gql.furnished import Furnished

PAGE = "query ($tenant: ID!) { tenant(id: $tenant) { operationRuns(first: 100) { nodes { %s } } } }"
_RUN: Any = schema._schema.get_type("OperationRun")


def leaves(type_: GraphQLOutputType) -> str:
    """Return a selection of all fields of a type that are values and need no argument."""
    named = get_named_type(type_)
    if is_leaf_type(named):
        return ""
    fields = named.fields.items() if isinstance(named, GraphQLObjectType) else ()
    names = [
        name
        for name, field in fields
        if is_leaf_type(get_named_type(field.type)) and not field.args
    ]
    return f"{{ __typename {' '.join(names)} }}"


SELECTIONS = {name: f"{name} {leaves(field.type)}" for name, field in _RUN.fields.items()}
CHANGING = {"queuedSeconds", "runningSeconds"}


@pytest.mark.parametrize("name", SELECTIONS)
async def test_a_field_selected_alone_is_the_same_as_among_all_others(
    api: RunningApi, ours: Furnished, name: str
) -> None:
    client = api.member(ours.world)

    async def read(selection: str) -> list[Any]:
        data = await client.data(PAGE % selection, tenant=ours.world.global_id)
        return [run[name] for run in data["tenant"]["operationRuns"]["nodes"]]

    alone, among_others = [await read(s) for s in (SELECTIONS[name], " ".join(SELECTIONS.values()))]
    assert len(alone) > 1
    if name in CHANGING:
        alone, among_others = ([value is None for value in v] for v in (alone, among_others))
    assert alone == among_others


async def test_columns_of_fields_that_are_not_selected_are_not_read(
    api: RunningApi, ours: Furnished
) -> None:
    client = api.member(ours.world)
    with api.statements() as statements:
        await client.data(PAGE % "id createdAt", tenant=ours.world.global_id)
    (page,) = [s for s in statements if "FROM opsrun.operation_run" in s]
    assert "context" not in page
    assert "opsrun.tenant" not in page.replace("opsrun.tenant_id", "")
