"""The schema as a subgraph of Apollo Federation 2: a router reads objects by their ids.

See docs/federation.md, and https://www.apollographql.com/docs/graphos/reference/federation/subgraph-spec.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Annotated, Any, NewType, Union

import strawberry
from graphql import (
    DefinitionNode,
    GraphQLInterfaceType,
    ObjectTypeDefinitionNode,
    parse,
    print_ast,
)
from strawberry import argument, field
from strawberry.types.scalar import scalar

import gql.enums  # noqa: F401 - before the types that show them
from domain.errors import BadInputError, ForbiddenError
from gql.context import Info
from gql.ids import GlobalId, quoted
from gql.queries import NODE_TYPES, Query, read_nodes, require_key
from gql.schema import SCALARS, build, schema

# 2.4 is the first version with subscriptions.
_LINK = """extend schema
  @link(url: "https://specs.apollo.dev/federation/v2.4", import: ["@key", "@shareable"])"""
# Every Relay API has this type, and two subgraphs may have it only if both share it.
_SHARED = "PageInfo"

Any_ = NewType("Any_", object)
_ANY = scalar(name="_Any", description="A representation: an object with `__typename` and `id`.")


@cache
def subgraph_sdl(plain: strawberry.Schema) -> str:
    """Return the SDL of a schema for composition: `@key` on each Node, `@shareable` on `PageInfo`.

    The key of a type that `nodes` does not read is not resolvable. The interface has no key, since
    every subgraph would then need all types that implement it.
    """
    document = parse(plain.as_str())
    definitions = tuple(map(_with_directive, document.definitions))
    return f"{_LINK}\n\n{print_ast(replace(document, definitions=definitions))}\n"


def _with_directive(node: DefinitionNode) -> DefinitionNode:
    if not isinstance(node, ObjectTypeDefinitionNode):
        return node
    name = node.name.value
    if name == _SHARED:
        text = "@shareable"
    elif any(interface.name.value == "Node" for interface in node.interfaces or ()):
        text = (
            '@key(fields: "id")' if name in NODE_TYPES else '@key(fields: "id", resolvable: false)'
        )
    else:
        return node
    (marked,) = parse(f"type {name} {text}").definitions
    assert isinstance(marked, ObjectTypeDefinitionNode)
    return replace(node, directives=(*(node.directives or ()), *(marked.directives or ())))


@strawberry.type(name="_Service", description="What a router knows of this subgraph.")
class Service:
    @field(description="The schema, with the directives of Apollo Federation.")
    def sdl(self) -> str:
        return subgraph_sdl(schema)


async def _locate(info: Info, representation: object) -> GlobalId | BadInputError | ForbiddenError:
    """Return the id of a representation, or the error that answers it.

    A router collects the representations of many objects, so a wrong one must not fail the others.
    """
    try:
        type_name, id_ = _parts(representation)
        _, located = await info.context.locate(id_, type_name)
        require_key(located)
    except (BadInputError, ForbiddenError) as error:
        return error
    return located


def _parts(representation: object) -> tuple[str, str]:
    if isinstance(representation, dict):
        type_name, id_ = representation.get("__typename"), representation.get("id")
        if isinstance(type_name, str) and isinstance(id_, str):
            if type_name not in _entity_types():
                raise BadInputError(f"{quoted(type_name)} is not an entity of this subgraph.")
            return type_name, id_
    raise BadInputError("A representation is an object with the texts `__typename` and `id`.")


@cache
def _entity_types() -> Mapping[str, type]:
    interface = schema._schema.type_map["Node"]
    assert isinstance(interface, GraphQLInterfaceType)
    types = sorted(schema._schema.get_possible_types(interface), key=lambda type_: type_.name)
    return {type_.name: type_.extensions["strawberry-definition"].origin for type_ in types}


@cache
def subgraph() -> strawberry.Schema:
    """Return the schema with the fields that a router needs."""
    subgraph_sdl(schema)  # parsed now, not while a request waits
    entity: Any = Annotated[
        Union[tuple(_entity_types().values())],  # noqa: UP007
        strawberry.union("_Entity", description="An object that other subgraphs may extend."),
    ]

    @strawberry.type(name="Query", description=Query.__strawberry_definition__.description)  # type: ignore[attr-defined]
    class SubgraphQuery(Query):
        @field(
            name="_entities",
            graphql_type=list[entity | None],
            description="The objects that a router refers to, in its order. Null as for `nodes`;"
            " a wrong representation is null with an error.",
        )
        async def entities(
            self,
            info: Info,
            representations: Annotated[
                list[Any_],
                argument(description="At most 100, each with the `__typename` and `id`."),
            ],
        ) -> list[Any]:
            located = [await _locate(info, each) for each in representations]
            ids = [each for each in located if isinstance(each, GlobalId)]
            nodes = iter(await read_nodes(info, ids))
            return [next(nodes) if isinstance(each, GlobalId) else each for each in located]

        @field(name="_service", description="The subgraph itself.")
        def service(self) -> Service:
            return Service()

    return build(SubgraphQuery, {**SCALARS, Any_: _ANY})
