"""Guards around the fields of other packages, which are as safe as ours without their help."""

from collections.abc import Iterator, Mapping
from inspect import isawaitable
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    get_named_type,
)

from domain.errors import BadInputError
from domain.tenancy.models import TenantAccess
from domain.tenancy.roles import TenantRole
from gql.audit import audit
from gql.completion import run_to_completion
from gql.context import Context
from gql.ids import GlobalId
from gql.limits.cost import sizes

_Inputs = Mapping[str, GraphQLArgument] | Mapping[str, GraphQLInputField]


def requires_id(field: GraphQLField) -> bool:
    """Return whether the arguments of a field require an id; a list of ids may be empty."""
    return _requires_id(field.args)


def takes_id(field: GraphQLField) -> bool:
    """Return whether an argument of a field may hold an id."""
    return _takes_id(field.args, set())


def guard(name: str, field: GraphQLField, least_role: TenantRole, *, is_mutation: bool) -> None:
    """Let a field's resolver run only for a member of the tenant that all its ids belong to.

    A mutation requires the role, is completed even if its client leaves, and is audited.
    """
    resolve = field.resolve
    assert resolve is not None

    async def query(source: Any, info: Any, **arguments: Any) -> Any:
        _require_sizes(field, arguments)
        await _enter(info.context, field, arguments, source)
        result = resolve(source, info, **arguments)
        return await result if isawaitable(result) else result

    async def mutate(source: Any, info: Any, **arguments: Any) -> Any:
        access = await _enter(info.context, field, arguments, None)
        access.require_role(least_role)

        async def change() -> Any:
            result = resolve(source, info, **arguments)
            result = await result if isawaitable(result) else result
            audit(f"mutation.{name}", access)
            return result

        return await run_to_completion(change())

    field.resolve = mutate if is_mutation else query


async def _enter(
    context: Context, field: GraphQLField, arguments: Mapping[str, Any], within: TenantAccess | None
) -> TenantAccess:
    """Enter the tenant of the ids; `within` is the tenant that they must belong to.

    Raises:
        ForbiddenError: the caller is not a member of an id's tenant.
        BadInputError: a text is not an id, or the ids belong to several tenants.
    """
    for id_ in _ids(field.args, arguments):
        access = await context.enter(GlobalId.decode(id_).tenant_id)
        if within is not None and access.tenant_id != within.tenant_id:
            raise BadInputError("The ids belong to different tenants.")
        within = access
    assert within is not None, "a mutation requires an id, and a tenant's field has its tenant"
    return within


def _ids(inputs: _Inputs, values: Mapping[str, Any]) -> Iterator[str]:
    for name, input_ in inputs.items():
        value = values.get(input_.out_name or name)
        type_ = get_named_type(input_.type)
        for each in value if isinstance(value, list) else [value]:
            if each is None:
                continue
            if isinstance(type_, GraphQLInputObjectType):
                yield from _ids(type_.fields, each)
            elif type_.name == "ID":
                yield each


def _requires_id(inputs: _Inputs) -> bool:
    for each in inputs.values():
        type_ = get_named_type(each.type)
        if str(each.type) == f"{type_.name}!" and (
            type_.name == "ID"
            or (isinstance(type_, GraphQLInputObjectType) and _requires_id(type_.fields))
        ):
            return True
    return False


def _takes_id(inputs: _Inputs, seen: set[str]) -> bool:
    for each in inputs.values():
        type_ = get_named_type(each.type)
        if type_.name == "ID":
            return True
        if isinstance(type_, GraphQLInputObjectType) and type_.name not in seen:
            seen.add(type_.name)
            if _takes_id(type_.fields, seen):
                return True
    return False


def _require_sizes(field: GraphQLField, arguments: Mapping[str, Any]) -> None:
    """Raise BadInputError unless the sizes of a list are what its cost stands for."""
    for name in sizes(field) & arguments.keys():
        size = arguments[name]
        if size is None or (isinstance(size, int) and size < 0):
            raise BadInputError(f"`{name}` must not be negative or null.")
