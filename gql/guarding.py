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

_Parts = Mapping[str, GraphQLArgument] | Mapping[str, GraphQLInputField]


def has_id(field: GraphQLField) -> bool:
    """Return whether the arguments of a field require an id."""
    return _requires_id(field.args)


def guard(name: str, field: GraphQLField, least_role: TenantRole, *, is_mutation: bool) -> None:
    """Let a field's resolver run only for a member of the tenant that all its ids belong to.

    A mutation requires the role, is completed even if its client leaves, and is audited.
    """
    resolve = field.resolve
    assert resolve is not None

    async def query(source: Any, info: Any, **arguments: Any) -> Any:
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


def _ids(parts: _Parts, values: Mapping[str, Any]) -> Iterator[str]:
    for name, part in parts.items():
        value = values.get(part.out_name or name)
        type_ = get_named_type(part.type)
        for each in value if isinstance(value, list) else [value]:
            if each is None:
                continue
            if isinstance(type_, GraphQLInputObjectType):
                yield from _ids(type_.fields, each)
            elif type_.name == "ID":
                yield each


def _requires_id(parts: _Parts) -> bool:
    for part in parts.values():
        type_ = get_named_type(part.type)
        if str(part.type).endswith("!") and (
            type_.name == "ID"
            or (isinstance(type_, GraphQLInputObjectType) and _requires_id(type_.fields))
        ):
            return True
    return False
