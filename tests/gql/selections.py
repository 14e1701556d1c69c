"""Selections of all fields, built from the schema."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from graphql import (
    GraphQLField,
    GraphQLObjectType,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_required_argument,
)

from tests.gql.arguments import BUILT


def everything(
    type_name: str, arguments: Mapping[str, Any], above: frozenset[str] = frozenset()
) -> str:
    """Return a selection of all fields below a type; "" for a leaf.

    Every field's alias is `Type_field`. Required arguments are taken from `arguments`, by name. A
    type that is already above is not entered again, and a list's members once.
    """
    type_ = BUILT.type_map[type_name]
    if is_leaf_type(type_):
        return ""
    if is_abstract_type(type_):
        parts = [
            f"... on {possible.name} {everything(possible.name, arguments, above)}"
            for possible in BUILT.get_possible_types(type_)
        ]
    elif type_name in above:
        parts = []
    else:
        assert isinstance(type_, GraphQLObjectType)
        parts = [
            f"{type_name}_{name}: {name}{_arguments(field, arguments)}"
            f" {_inside(type_, name, arguments, above)}"
            for name, field in type_.fields.items()
        ]
    return f"{{ __typename {' '.join(parts)} }}"


def _inside(
    type_: GraphQLObjectType, name: str, arguments: Mapping[str, Any], above: frozenset[str]
) -> str:
    inside = get_named_type(type_.fields[name].type).name
    # A connection's nodes repeat those of its edges.
    again = {inside} if name == "nodes" and "edges" in type_.fields else {type_.name}
    return everything(inside, arguments, above | again)


def _arguments(field: GraphQLField, arguments: Mapping[str, Any]) -> str:
    required = [name for name, arg in field.args.items() if is_required_argument(arg)]
    values = ", ".join(f"{name}: {json.dumps(arguments[name])}" for name in required)
    return f"({values})" if values else ""


def coordinates(data: Any) -> Iterator[str]:
    """Yield the `Type.field` of every alias in a response, with repetitions."""
    if isinstance(data, list):
        for member in data:
            yield from coordinates(member)
    elif isinstance(data, dict):
        for alias, value in data.items():
            type_name, _, name = alias.partition("_")
            if type_name in BUILT.type_map:
                yield f"{type_name}.{name}"
            yield from coordinates(value)


def below(type_name: str) -> set[str]:
    """Return the `Type.field` of all fields reachable from a type."""
    names: set[str] = set()
    waiting = [type_name]
    while waiting:
        type_ = BUILT.type_map[waiting.pop()]
        if is_abstract_type(type_):
            waiting += [possible.name for possible in BUILT.get_possible_types(type_)]
        elif isinstance(type_, GraphQLObjectType):
            fields = {f"{type_.name}.{name}" for name in type_.fields}
            if not fields <= names:
                names |= fields
                waiting += [get_named_type(field.type).name for field in type_.fields.values()]
    return names
