"""Every id, cursor and text that the schema accepts, read from the schema."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLObjectType,
    build_schema,
    get_named_type,
    get_nullable_type,
    is_enum_type,
    is_leaf_type,
    is_list_type,
    is_required_argument,
    is_required_input_field,
)

from domain.tenancy.roles import TenantRole
from gql.schema import schema
from tests.client import Client
from tests.gql.api import RunningApi
from tests.gql.furnished import SCOPE, Furnished

BUILT = build_schema(schema.as_str())

# A document that reaches a field of each type without passing a nullable field.
_REACH = {
    "Query": "query (%s) { %s }",
    "Mutation": "mutation (%s) { %s }",
    "Subscription": "subscription (%s) { %s }",
    "Tenant": "query ($tenant: ID!, %s) { tenant(id: $tenant) { %s } }",
    "OperationRun": "query ($tenant: ID!, %s) { tenant(id: $tenant) { operationRuns("
    "filter: {statusBuckets: PARTIALLY_SUCCEEDED}) { nodes { %s } } } }",
    "Group": "query ($tenant: ID!, %s) { tenant(id: $tenant) { groups { nodes { %s } } } }",
    "BackupSet": "query ($tenant: ID!, %s) { tenant(id: $tenant) { backupSets { nodes { %s } } } }",
    "DriftReport": "query ($tenant: ID!, %s) { tenant(id: $tenant) { operationRuns("
    'filter: {runTypes: "drift.generate"}) { nodes { related { ... on DriftReport { %s } } } } } }',
}
_CURSORS = {"after", "before"}
# Texts that are neither an id nor a cursor.
_PLAIN = {"name", "reasonCodes", "runType", "runTypes", "scopeKey", "search", "title"}
_WITHOUT_TEXT = {"Int", "Float", "Boolean", "DateTime"}


@dataclass(frozen=True, slots=True)
class Argument:
    """One id, cursor or text somewhere in the arguments of one field."""

    type_name: str
    field_name: str
    path: tuple[str, ...]
    kind: str
    is_list: bool

    def __str__(self) -> str:
        return f"{self.type_name}.{self.field_name}({'.'.join(self.path)})"

    @property
    def field(self) -> GraphQLField:
        """The field."""
        type_ = BUILT.type_map[self.type_name]
        assert isinstance(type_, GraphQLObjectType)
        field: GraphQLField = type_.fields[self.field_name]
        return field

    @property
    def document(self) -> str:
        """An operation that passes the argument and the required ones of its field."""
        leaf = is_leaf_type(get_named_type(self.field.type))
        return self.asking("" if leaf else "{ __typename }")

    def asking(self, selection: str) -> str:
        """Return an operation that passes the argument and selects this from the field."""
        required = {name: arg for name, arg in self.field.args.items() if self._is_given(name, arg)}
        arguments = ", ".join(f"{name}: ${name}" for name in required)
        declared = ", ".join(f"${name}: {arg.type}" for name, arg in required.items())
        assert self.type_name in _REACH, f"How does one get to {self}?"
        return _REACH[self.type_name] % (declared, f"{self.field_name}({arguments}) {selection}")

    def variables(self, tenant: Furnished, value: Any) -> dict[str, Any]:
        """Return the variables with `value` for this argument, and the tenant's for all others."""
        owned = self.owned(tenant)

        def fill(name: str, part: GraphQLArgument | GraphQLInputField, path: Any) -> Any:
            here = path and path[0] == name
            type_ = get_nullable_type(part.type)
            if isinstance(type_, GraphQLInputObjectType):
                rest = path[1:] if here else ()
                return {
                    key: fill(key, inner, rest)
                    for key, inner in type_.fields.items()
                    if is_required_input_field(inner) or key in rest[:1]
                }
            assert here or name in owned, f"What may {name} be, which {self} requires?"
            return value if here else owned[name]

        return {"tenant": owned["tenant"]} | {
            name: fill(name, arg, self.path)
            for name, arg in self.field.args.items()
            if self._is_given(name, arg)
        }

    def owned(self, tenant: Furnished) -> dict[str, Any]:
        """Return a valid value for every argument that an operation may have to pass, by name."""
        watches_run = (self.type_name, self.field_name) == ("Subscription", "operationRun")
        return {
            "tenant": tenant.ids["Tenant"],
            "tenantId": tenant.ids["Tenant"],
            "id": tenant.drift_run if watches_run else tenant.ids["Tenant"],
            "ids": [tenant.ids["Tenant"]],
            "runId": tenant.drift_run,
            "backupSetId": tenant.ids["BackupSet"],
            "policyIds": [tenant.ids["Policy"]],
            "notificationIds": [tenant.ids["Notification"]],
            "initiatorIds": [tenant.ids["Initiator"]],
            "scopeKey": SCOPE,
            "search": "Pilots",
            "name": "Another set",
            "title": "A report",
            "runType": "inventory.sync",
            "runTypes": ["inventory.sync"],
            "reasonCodes": ["INVALID_JSON"],
            "context": {"scopeKey": SCOPE},
            "retentionDays": 30,
        }

    def _is_given(self, name: str, arg: GraphQLArgument) -> bool:
        return is_required_argument(arg) or name == self.path[0]


def arguments() -> list[Argument]:
    """Return every argument that holds text from a client.

    Fails for a text of which `_PLAIN` does not say that it is neither id nor cursor, and for
    a scalar of which `_WITHOUT_TEXT` does not say that no text fits into it.
    """
    return [
        Argument(type_.name, name, path, kind, is_list)
        for type_ in BUILT.type_map.values()
        if isinstance(type_, GraphQLObjectType) and not type_.name.startswith("__")
        for name, field in type_.fields.items()
        for argument, arg in field.args.items()
        for path, kind, is_list in _leaves(f"{type_.name}.{name}", (argument,), arg.type)
    ]


def _leaves(
    field: str, path: tuple[str, ...], type_: Any
) -> Iterator[tuple[tuple[str, ...], str, bool]]:
    named = get_named_type(type_)
    if isinstance(named, GraphQLInputObjectType):
        for name, part in named.fields.items():
            yield from _leaves(field, (*path, name), part.type)
    elif named.name == "ID":
        yield path, "id", is_list_type(get_nullable_type(type_))
    elif named.name == "String":
        assert path[-1] in _CURSORS | _PLAIN, f"{field} {path}: an id, a cursor or neither?"
        kind = "cursor" if path[-1] in _CURSORS else "text"
        yield path, kind, is_list_type(get_nullable_type(type_))
    elif named.name == "JSON":
        # What a context may hold depends on its run type; see tests/gql/runs/test_starting.py.
        return
    else:
        known = is_enum_type(named) or named.name in _WITHOUT_TEXT
        assert known, f"{field} {path}: may a {named.name} hold text?"


def owner(api: RunningApi, tenant: Furnished) -> Client:
    """Return the tenant's most powerful member."""
    return api.member(tenant.world, TenantRole.OWNER)
