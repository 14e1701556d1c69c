"""The schema is described, strict about null, and follows the rules of Relay."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    build_schema,
    is_list_type,
    is_non_null_type,
    is_required_argument,
    is_specified_scalar_type,
    print_ast,
)

from domain.drift.models import DriftKind
from domain.lifecycle import StatusBucket
from domain.runs.models import StartOutcome
from domain.tenancy.roles import TenantRole
from gql.schema import schema

SDL = schema.as_str()
BUILT = build_schema(SDL)
TYPES = {
    name: type_
    for name, type_ in BUILT.type_map.items()
    if not name.startswith("__") and not is_specified_scalar_type(type_)
}
OBJECTS: dict[str, Any] = {
    name: type_
    for name, type_ in TYPES.items()
    if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType)
}
CONNECTIONS = [name for name in OBJECTS if name.endswith("Connection")]

NULLABLE_FIELDS = {
    "CreateBackupSetPayload.backupSet": "user errors take its place",
    "DriftReport.baselineRun": "retention has deleted it",
    "DriftReport.currentRun": "retention has deleted it",
    "InventoryScope.lastSnapshotRunId": "a scope may never have been synced as a whole",
    "Notification.readAt": "not read yet",
    "OperationRun.expiresAt": "an active run is never deleted",
    "OperationRun.finishedAt": "not ended yet",
    "OperationRun.progress": "the total is unknown at first",
    "OperationRun.runningSeconds": "not started yet",
    "OperationRun.startedAt": "not started yet",
    "OperationRun.waitingReason": "the run does not wait, or only for a free worker",
    "OperationRunEvent.kind": "a snapshot is not an event",
    "PageInfo.endCursor": "an empty page",
    "Tenant.groupDirectory": "no sync of groups has ended yet",
    "Tenant.provider": "the operator has not set it",
    "PageInfo.startCursor": "an empty page",
    "Query.node": "nothing in the caller's tenants has this id",
    "Query.nodes[]": "nothing in the caller's tenants has this id",
    "RunCounts.total": "unknown at first",
    "RunFailure.errorId": "only an unexpected failure has a trace",
    "RunFailure.itemKey": "the run failed as a whole",
    "SettingChange.new": "the setting is gone, or a secret",
    "SettingChange.old": "the setting is new, or a secret",
    "SkippedItem.reason": "the run is of a version that did not record it",
    "StartPermission.reason": "nothing to explain when it is allowed",
    "StartRunPayload.outcome": "user errors take its place",
    "StartRunPayload.run": "user errors take its place",
    "UpdateTenantSettingsPayload.tenant": "user errors take its place",
    "Viewer.email": "the identity provider may not tell",
}
OPTIONAL_INPUTS = {
    "after": "from the start",
    "before": "from the end",
    "createdFrom": "the default window",
    "createdUntil": "no bound",
    "filter": "everything in the default window",
    "first": "25",
    "initiatorIds": "no restriction",
    "kinds": "no restriction",
    "last": "pages forward",
    "reasonCodes": "no restriction",
    "runTypes": "no restriction",
    "search": "no restriction",
    "statusBuckets": "no restriction",
}


def described() -> Iterator[tuple[str, Any]]:
    """Yield everything that must have a description, with its coordinate."""
    for name, type_ in TYPES.items():
        yield name, type_
        if isinstance(type_, GraphQLEnumType):
            yield from ((f"{name}.{key}", value) for key, value in type_.values.items())
        elif isinstance(type_, GraphQLInputObjectType):
            yield from ((f"{name}.{key}", field) for key, field in type_.fields.items())
    for coordinate, field in fields():
        yield coordinate, field
        yield from ((f"{coordinate}({key}:)", arg) for key, arg in field.args.items())


def fields() -> Iterator[tuple[str, GraphQLField]]:
    for name, type_ in OBJECTS.items():
        for key, field in type_.fields.items():
            yield f"{name}.{key}", field


def test_the_committed_schema_is_the_one_in_the_code() -> None:
    # In a process without the package of the tests.
    command = [sys.executable, "-m", "opsrun", "schema", "--check"]
    checked = subprocess.run(  # noqa: S603
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr


def test_everything_is_described_in_a_sentence() -> None:
    lacking = [
        coordinate
        for coordinate, thing in described()
        if not (thing.description or "").strip().endswith((".", "?"))
    ]
    assert [name for name in lacking if name != "JSON"] == []
    assert BUILT.type_map["JSON"].description


def test_a_nullable_field_has_a_reason() -> None:
    nullable = set()
    for coordinate, field in fields():
        type_: Any = field.type
        while True:
            if is_non_null_type(type_):
                type_ = type_.of_type
            else:
                nullable.add(coordinate)
            if not is_list_type(type_):
                break
            coordinate, type_ = f"{coordinate}[]", type_.of_type
    assert nullable == set(NULLABLE_FIELDS)


def test_an_optional_input_has_a_meaning() -> None:
    optional = set()
    for type_ in TYPES.values():
        if isinstance(type_, GraphQLInputObjectType):
            optional |= {k for k, v in type_.fields.items() if not is_non_null_type(v.type)}
    for _, field in fields():
        optional |= {k for k, v in field.args.items() if not is_non_null_type(v.type)}
    assert optional == set(OPTIONAL_INPUTS)


def test_a_list_in_an_input_contains_no_null() -> None:
    inputs = [
        *(arg.type for _, field in fields() for arg in field.args.values()),
        *(
            field.type
            for type_ in TYPES.values()
            if isinstance(type_, GraphQLInputObjectType)
            for field in type_.fields.values()
        ),
    ]
    lists = [type_ for type_ in map(str, inputs) if "[" in type_]
    assert lists
    assert all("!]" in type_ for type_ in lists)


@pytest.mark.parametrize(
    ("name", "enum"),
    [
        ("StatusBucket", StatusBucket),
        ("TenantRole", TenantRole),
        ("DriftKind", DriftKind),
        ("StartOutcome", StartOutcome),
    ],
)
def test_a_value_that_clients_switch_on_is_a_closed_enum(name: str, enum: Any) -> None:
    type_ = BUILT.type_map[name]
    assert isinstance(type_, GraphQLEnumType)
    assert set(type_.values) == {member.value for member in enum}


def test_an_open_set_of_values_is_a_string() -> None:
    assert [str(OBJECTS["OperationRun"].fields[f].type) for f in ("runType", "status")] == [
        "String!",
        "String!",
    ]


def test_timestamps_have_a_scalar_with_a_specification() -> None:
    date_time = BUILT.type_map["DateTime"]
    assert getattr(date_time, "specified_by_url", "").startswith("https://")
    moments = [name for name, field in fields() if name.endswith("At")]
    assert moments
    assert all(str(field.type).startswith("DateTime") for n, field in fields() if n in moments)


# Relay


def test_the_schema_has_the_node_interface_and_its_two_fields() -> None:
    assert str(BUILT.type_map["Node"]) == "Node"
    assert {k: str(f.type) for k, f in OBJECTS["Node"].fields.items()} == {"id": "ID!"}
    query = OBJECTS["Query"].fields
    assert (str(query["node"].type), str(query["node"].args["id"].type)) == ("Node", "ID!")
    assert (str(query["nodes"].type), str(query["nodes"].args["ids"].type)) == ("[Node]!", "[ID!]!")


def test_a_type_with_an_id_is_a_node() -> None:
    # A normalized cache identifies an object by its id alone.
    with_id = {name for name, type_ in OBJECTS.items() if "id" in type_.fields} - {"Node"}
    assert with_id == {type_.name for type_ in BUILT.get_possible_types(interface())}


def interface() -> GraphQLInterfaceType:
    node = BUILT.type_map["Node"]
    assert isinstance(node, GraphQLInterfaceType)
    return node


def test_page_info_follows_relay() -> None:
    assert {key: str(field.type) for key, field in OBJECTS["PageInfo"].fields.items()} == {
        "hasNextPage": "Boolean!",
        "hasPreviousPage": "Boolean!",
        "startCursor": "String",
        "endCursor": "String",
    }


@pytest.mark.parametrize("name", CONNECTIONS)
def test_a_connection_has_edges_and_page_info(name: str) -> None:
    member = name.removesuffix("Connection")
    assert {key: str(field.type) for key, field in OBJECTS[name].fields.items()} == {
        "edges": f"[{member}Edge!]!",
        "nodes": f"[{member}!]!",
        "pageInfo": "PageInfo!",
    }
    assert {key: str(field.type) for key, field in OBJECTS[f"{member}Edge"].fields.items()} == {
        "cursor": "String!",
        "node": f"{member}!",
    }


def test_a_connection_is_paged_by_cursor_and_never_required_to_be() -> None:
    paged = [field for _, field in fields() if str(field.type).rstrip("!") in CONNECTIONS]
    assert len(paged) >= len(CONNECTIONS) > 0
    for field in paged:
        arguments = {name: str(arg.type) for name, arg in field.args.items()}
        assert (arguments["first"], arguments["after"]) == ("Int", "String")
        assert default_of(field.args["first"]) == "25"
        if "last" in arguments:
            assert (arguments["last"], arguments["before"]) == ("Int", "String")
        paging = {"first", "after", "last", "before"}
        assert not any(is_required_argument(field.args[name]) for name in paging & set(arguments))


def default_of(argument: GraphQLArgument) -> str:
    assert argument.ast_node is not None
    assert argument.ast_node.default_value is not None
    return print_ast(argument.ast_node.default_value)


def test_only_a_connection_has_the_suffix() -> None:
    for name in TYPES:
        assert name in CONNECTIONS or not name.endswith("Connection")


# Mutations


@pytest.mark.parametrize("name", sorted(OBJECTS["Mutation"].fields))
def test_a_mutation_takes_one_input_and_returns_a_payload(name: str) -> None:
    field = OBJECTS["Mutation"].fields[name]
    assert list(field.args) == ["input"]
    assert str(field.args["input"].type) == f"{name[0].upper()}{name[1:]}Input!"
    payload = "StartRunPayload!" if starts_a_run(field) else f"{name[0].upper()}{name[1:]}Payload!"
    assert str(field.type) == payload


def starts_a_run(field: GraphQLField) -> bool:
    return "run" in TYPES[str(field.type).rstrip("!")].fields  # type: ignore[attr-defined]


def test_a_payload_that_may_be_empty_has_user_errors() -> None:
    payloads: dict[str, GraphQLNamedType] = {
        name: type_ for name, type_ in OBJECTS.items() if name.endswith("Payload")
    }
    assert payloads
    for name, type_ in payloads.items():
        members = type_.fields  # type: ignore[attr-defined]
        may_be_empty = any(f"{name}.{key}" in NULLABLE_FIELDS for key in members)
        assert ("userErrors" in members) == may_be_empty
        if may_be_empty:
            assert str(members["userErrors"].type) == "[UserError!]!"
