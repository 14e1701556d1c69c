"""When an operation is compiled, how long its plan lives, and what it reads."""

import copy
import gc
import pickle
import weakref
from collections.abc import AsyncIterator
from itertools import product
from typing import Any

import strawberry
from graphql import DocumentNode, GraphQLError, execute, parse
from graphql.execution import Executor, execute_subscription_event

from gql.compiled import CompiledExecutor
from gql.compiled.plans import KEPT_AS, MOST_PLANS, Plans


class Row:
    """An object that computes its fields when they are read."""

    def __init__(self) -> None:
        self.read: list[str] = []

    @property
    def name(self) -> str:
        self.read.append("name")
        return "row"

    @property
    def size(self) -> int:
        self.read.append("size")
        return 3


@strawberry.type
class Named:
    name: str
    size: int

    @strawberry.field
    def labelled(self, info: strawberry.Info, label_text: str = "l") -> str:
        return f"{info.field_name} {info.path.as_list()} {label_text} {self.name}"


def schema_of(row: Any) -> strawberry.Schema:
    """Return a schema that serves this object."""

    @strawberry.type
    class Query:
        @strawberry.field
        def row(self) -> Named:
            named: Named = row
            return named

        @strawberry.field
        def rows(self) -> list[Named]:
            return [row, row]

    @strawberry.type
    class Subscription:
        @strawberry.subscription
        async def rows(self) -> AsyncIterator[Named]:
            yield row

    return strawberry.Schema(Query, subscription=Subscription)


def run(schema: strawberry.Schema, document: DocumentNode, **variables: Any) -> Any:
    """Execute a document, and return its data."""
    result: Any = execute(
        schema._schema,
        document,
        variable_values=variables,
        executor_class=CompiledExecutor,
    )
    assert result.errors is None
    return result.data


def plans_of(document: DocumentNode) -> Plans | None:
    """Return the plans of the document's first definition."""
    plans: Plans | None = document.definitions[0].__dict__.get(KEPT_AS)
    return plans


def test_an_operation_is_compiled_at_its_second_run() -> None:
    document, schema = parse("{ row { name } }"), schema_of(Row())
    assert run(schema, document) == {"row": {"name": "row"}}
    assert plans_of(document) is None
    assert run(schema, document) == {"row": {"name": "row"}}
    assert plans_of(document) is not None


def test_a_plan_ends_with_its_document() -> None:
    document, schema = parse("{ row { name } }"), schema_of(Row())
    for _ in range(2):
        run(schema, document)
    plans = plans_of(document)
    assert plans is not None
    alive = weakref.ref(plans)
    del plans, document
    gc.collect()
    assert alive() is None


def test_a_plan_does_not_survive_a_change_of_the_schema() -> None:
    document = parse("{ row { name } }")
    for name in ("before", "after", "before"):
        schema = schema_of(Named(name=name, size=1))
        for _ in range(3):
            assert run(schema, document) == {"row": {"name": name}}


def test_a_plan_does_not_survive_other_fragments() -> None:
    schema = schema_of(Row())
    operation, *fragments = parse(
        "{ row { ...F } } fragment F on Named { name } fragment F on Named { size }"
    ).definitions
    for fragment, row in zip(fragments, ({"name": "row"}, {"size": 3}), strict=True):
        for _ in range(3):
            assert run(schema, DocumentNode(definitions=(operation, fragment))) == {"row": row}


def test_an_operation_has_a_bounded_number_of_plans() -> None:
    names = "abcdef"
    fields = " ".join(f"{name}: size @include(if: ${name})" for name in names)
    declared = ", ".join(f"${name}: Boolean!" for name in names)
    document, schema = parse(f"query({declared}) {{ row {{ name {fields} }} }}"), schema_of(Row())
    for _ in range(2):
        for choice in product((True, False), repeat=len(names)):
            variables = dict(zip(names, choice, strict=True))
            included = {name: 3 for name, value in variables.items() if value}
            assert run(schema, document, **variables) == {"row": {"name": "row", **included}}
    plans = plans_of(document)
    assert plans is not None
    assert len(plans.by_choice) == MOST_PLANS


def test_a_document_is_copied_and_pickled_without_its_plans() -> None:
    document, schema = parse("{ row { name } }"), schema_of(Row())
    for _ in range(2):
        run(schema, document)
    for copied in (copy.deepcopy(document), pickle.loads(pickle.dumps(document))):  # noqa: S301
        assert copied == document
        assert plans_of(copied) is None
        assert run(schema, copied) == {"row": {"name": "row"}}


def test_only_selected_fields_are_read() -> None:
    row = Row()
    document, schema = parse("{ rows { size } }"), schema_of(row)
    run(schema, document)
    row.read.clear()
    assert run(schema, document) == {"rows": [{"size": 3}, {"size": 3}]}
    assert row.read == ["size", "size"]


def test_a_resolver_gets_its_own_info_and_arguments() -> None:
    document = parse('{ rows { labelled one: labelled(labelText: "x") } }')
    schema = schema_of(Row())
    for _ in range(3):
        assert run(schema, document)["rows"][1] == {
            "labelled": "labelled ['rows', 1, 'labelled'] l row",
            "one": "labelled ['rows', 1, 'one'] x row",
        }


def test_events_of_a_subscription_share_a_plan() -> None:
    document, row = parse("subscription { rows { name } }"), Row()
    executor = CompiledExecutor.build(schema_of(row)._schema, document)
    assert isinstance(executor, Executor)
    plans = []
    for _ in range(4):
        event = executor.build_per_event_executor(row)
        result: Any = execute_subscription_event(event)
        assert (result.data, result.errors) == ({"rows": {"name": "row"}}, None)
        plans.append(plans_of(document))
    assert plans[0] is None
    assert plans[1] is plans[2] is plans[3] is not None


def test_an_error_below_a_plain_field_has_its_path() -> None:
    broken: Any = Named(name="n", size=2**40)
    document, schema = parse("{ rows { name big: size } }"), schema_of(broken)
    for _ in range(3):
        result: Any = execute(schema._schema, document, executor_class=CompiledExecutor)
        errors: list[GraphQLError] = result.errors
        assert result.data is None
        assert [error.path for error in errors] == [["rows", 0, "big"]]
