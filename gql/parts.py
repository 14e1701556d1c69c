"""Fields and mutations that other packages add to the schema.

A package announces its part by an entry point of the group `opsrun.schema`:

    [project.entry-points."opsrun.schema"]
    "report" = "report_export.schema:PART"
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    get_nullable_type,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
)
from strawberry.schema.name_converter import NameConverter

from domain.announcements import announced
from domain.errors import DeclarationError
from domain.tenancy.roles import TenantRole
from gql.guarding import guard, requires_id, takes_id
from gql.limits.cost import has_members, sizes

GROUP = "opsrun.schema"
# By root type of the schema: the part's attribute with the class that adds fields to it.
_ROOTS = {"Tenant": "tenant", "Mutation": "mutation"}
_graphql_name = NameConverter().get_graphql_name


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaPart:
    """What a package adds to the schema: Strawberry types whose fields are added to ours.

    The fields of `tenant` get the caller's `TenantAccess` as their parent. Opsrun checks the ids
    in all arguments before a resolver runs, requires `least_role` for the mutations, completes
    them even if the client leaves, and writes an audit record for each.
    """

    tenant: type | None = None
    mutation: type | None = None
    least_role: TenantRole = TenantRole.OPERATOR


@dataclass(frozen=True, slots=True)
class _Announced:
    part: SchemaPart
    package: str

    def fields(self, root: str) -> Iterator[Any]:
        """Yield the Strawberry fields that it adds to a root type."""
        added = getattr(self.part, _ROOTS[root])
        if added is not None:
            yield from added.__strawberry_definition__.fields

    def error(self, what: str) -> DeclarationError:
        return DeclarationError(f"The package {self.package} adds to the schema wrongly: {what}")


@cache
def _parts() -> tuple[_Announced, ...]:
    parts = []
    for value, package in announced(GROUP):
        part = _Announced(value, package)  # type: ignore[arg-type]  # checked next
        if not isinstance(value, SchemaPart):
            raise part.error(f"{value!r} is not a SchemaPart.")
        for name in _ROOTS.values():
            added = getattr(value, name)
            if added is not None and not hasattr(added, "__strawberry_definition__"):
                raise part.error(f"`{name}` is not a class with `@strawberry.type`.")
        parts.append(part)
    return tuple(parts)


def added_types(root: str, *ours: type) -> tuple[type, ...]:
    """Return the classes that add fields to the root type, which has the fields of `ours`.

    Raises:
        DeclarationError: a field would replace another one.
    """
    taken = {
        name: "Opsrun"
        for each in ours
        for field in each.__strawberry_definition__.fields  # type: ignore[attr-defined]
        for name in _names(field)
    }
    added = []
    for part in _parts():
        for field in part.fields(root):
            for name in _names(field):
                if name in taken:
                    raise part.error(f"the field `{root}.{name}` exists; {taken[name]} has it.")
            taken |= dict.fromkeys(_names(field), part.package)
        added.append(getattr(part.part, _ROOTS[root]))
    return tuple(each for each in added if each is not None)


def _names(field: Any) -> frozenset[str]:
    # Strawberry merges fields by their names in Python.
    return frozenset({_graphql_name(field), field.python_name})


def packages() -> str:
    """Return the names of the packages that add to the schema, for an error message."""
    return ", ".join(dict.fromkeys(part.package for part in _parts()))


def guard_parts(schema: GraphQLSchema) -> None:
    """Check the added fields in the built schema, and guard their resolvers.

    Raises:
        DeclarationError: a field has no description, has a list without a bound, or is a mutation
            without an id.
    """
    for part in _parts():
        for root in _ROOTS:
            type_ = schema.type_map[root]
            assert isinstance(type_, GraphQLObjectType)
            for field in part.fields(root):
                name = _graphql_name(field)
                coordinate = f"{root}.{name}"
                _require_valid(part, coordinate, type_.fields[name], is_root=True)
                _require_valid_below(part, schema, type_.fields[name], set())
                if root == "Mutation" and not requires_id(type_.fields[name]):
                    raise part.error(
                        f"`{coordinate}` takes no `ID`, such as `tenantId: ID!`, so it has no"
                        " tenant."
                    )
                guard(
                    name, type_.fields[name], part.part.least_role, is_mutation=root == "Mutation"
                )


def _require_valid(
    part: _Announced, coordinate: str, field: GraphQLField, *, is_root: bool
) -> None:
    if not field.description:
        raise part.error(f"`{coordinate}` has no description.")
    is_list = is_list_type(get_nullable_type(field.type))
    is_bounded = has_members(field) or (is_root and sizes(field))
    if is_list and not is_leaf_type(get_named_type(field.type)) and not is_bounded:
        raise part.error(
            f"`{coordinate}` is a list without a bound. Give it the metadata `{{MEMBERS: n}}`"
            " with the largest number of its members, or an argument `first` if it is a field"
            " of the tenant."
        )
    if not is_root and takes_id(field):
        raise part.error(
            f"`{coordinate}` takes an `ID`. Only a field of the tenant, or a mutation, can: there"
            " Opsrun checks the id's tenant."
        )


def _require_valid_below(
    part: _Announced, schema: GraphQLSchema, field: GraphQLField, seen: set[str]
) -> None:
    """Check all fields below a field, as far as the package's types reach."""
    type_ = get_named_type(field.type)
    types = [type_, *schema.get_possible_types(type_)] if is_abstract_type(type_) else [type_]
    for each in types:
        if not isinstance(each, GraphQLObjectType | GraphQLInterfaceType):
            continue
        if each.name in seen or _is_ours(each):
            continue
        seen.add(each.name)
        for name, below in each.fields.items():
            _require_valid(part, f"{each.name}.{name}", below, is_root=False)
            _require_valid_below(part, schema, below, seen)


def _is_ours(type_: GraphQLObjectType | GraphQLInterfaceType) -> bool:
    origin = type_.extensions["strawberry-definition"].origin
    return str(origin.__module__).partition(".")[0] in ("gql", "domain")
