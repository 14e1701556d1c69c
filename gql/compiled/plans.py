"""What is known of an operation before it runs: its fields, and the functions for what is plain.

A plan belongs to one parsed operation, one schema, and one choice of what `@skip` and `@include`
leave. It is made at the operation's second run, so it costs nothing where each request is parsed
anew, and its parts are made when they are first needed. Several threads may share it.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from graphql import (
    GraphQLField,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    VariableNode,
)
from graphql.execution import Executor
from graphql.execution.collect_fields import (
    CollectedFields,
    FieldDetailsList,
    GroupedFieldSet,
    collect_subfields,
)

from .classes import Classes, decides_by_class
from .functions import Function, Writer
from .resolvers import direct_call

# The name under which a parsed operation keeps its plans.
KEPT_AS = "_compiled_plans"
# Plans of one operation for the values of its `@skip` and `@include` variables.
MOST_PLANS = 16


def plan_of(executor: Executor[Any], root: GroupedFieldSet) -> "Plan | None":
    """Return the plan for a run; None if graphql-core has to do without.

    Plans are kept in the `__dict__` of the parsed operation, as `functools.cached_property` keeps
    its values: so they end with it. No dictionary could hold them, as hashing a node visits all
    nodes below it.
    """
    kept = executor.operation.__dict__
    if KEPT_AS not in kept:
        kept[KEPT_AS] = None
        return None
    plans: Plans | None = kept[KEPT_AS]
    if plans is None or not plans.suit(executor):
        plans = kept[KEPT_AS] = Plans(executor)
    return plans.choose(executor, root)


class Plans:
    """The plans of one operation, for one schema and the fragments of one document."""

    def __init__(self, executor: Executor[Any]) -> None:
        self.schema, self.fragments = executor.schema, executor.fragment_definitions
        self.by_choice: dict[tuple[Any, ...], Plan] = {}
        directives = [d for node in _selections(executor) for d in node.directives or ()]
        self.are_possible = not any(
            d.name.value in ("defer", "stream") for d in directives
        ) and not any(fragment.variable_definitions for fragment in self.fragments.values())
        self.deciding = {
            argument.value.name.value: None
            for directive in directives
            if directive.name.value in ("skip", "include")
            for argument in directive.arguments or ()
            if isinstance(argument.value, VariableNode)
        }

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        """Let a document be copied and pickled without its plans."""
        return type(None), ()

    def suit(self, executor: Executor[Any]) -> bool:
        """Return whether they were made for this run's schema and document."""
        return self.schema is executor.schema and self.fragments == executor.fragment_definitions

    def choose(self, executor: Executor[Any], root: GroupedFieldSet) -> "Plan | None":
        """Return the plan for the run's `@skip` and `@include` variables, if there is to be one."""
        choice = tuple(executor.variable_values.coerced.get(name) for name in self.deciding)
        if not self.are_possible or not all(isinstance(value, bool) for value in choice):
            return None
        plan = self.by_choice.get(choice)
        if plan is None and len(self.by_choice) < MOST_PLANS:
            plan = self.by_choice.setdefault(choice, Plan(self.schema, root))
        return plan


class Plan:
    """What is known of one run after the other.

    The keys of its dicts hold ids of lists and dicts that `_collected` and `root` keep alive.
    `setdefault` makes threads agree on one of them.
    """

    def __init__(self, schema: GraphQLSchema, root: GroupedFieldSet) -> None:
        self.schema, self.root = schema, root
        self._collected: dict[tuple[GraphQLObjectType, int], CollectedFields] = {}
        self._values: dict[tuple[int, GraphQLOutputType], Value] = {}
        self._selections: dict[int, Selection] = {}

    def collect(
        self, executor: Executor[Any], type_: GraphQLObjectType, details: FieldDetailsList
    ) -> CollectedFields:
        """Return what is selected of an object."""
        key = type_, id(details)
        return self._collected.get(key) or self._collected.setdefault(
            key,
            collect_subfields(
                self.schema,
                executor.fragments,
                executor.variable_values,
                executor.operation,
                type_,
                details,
                executor.hide_suggestions,
            ),
        )

    def value(
        self, executor: Executor[Any], type_: GraphQLOutputType, details: FieldDetailsList
    ) -> "Value":
        """Return what completes a field's value."""
        key = id(details), type_
        return self._values.get(key) or self._values.setdefault(
            key, Value(self, executor, type_, details)
        )

    def selection(
        self, executor: Executor[Any], type_: GraphQLObjectType, fields: GroupedFieldSet
    ) -> "Selection":
        """Return what executes the fields of an object."""
        key = id(fields)
        return self._selections.get(key) or self._selections.setdefault(
            key, Selection(self, executor, type_, fields)
        )

    def writer(self, executor: Executor[Any]) -> Writer:
        """Return what writes functions for this plan."""
        return Writer(self.schema, lambda *key: self.collect(executor, *key).grouped_field_set)


class Value:
    """How a field's value is completed.

    `plain` is a function if only plain fields are selected of it. `selection` is set for an object
    with other fields, if its class is enough to know its type.
    """

    __slots__ = ("plain", "selection")

    def __init__(
        self, plan: Plan, executor: Executor[Any], type_: Any, details: FieldDetailsList
    ) -> None:
        self.plain: Function | None = None
        self.selection: Selection | None = None
        writer = plan.writer(executor)
        # Any other error is one of the selection, which graphql-core reports.
        with suppress(Exception):
            name = writer.value(type_, details)
            self.plain = writer.compile()[name]
            return
        object_type = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
        if isinstance(object_type, GraphQLObjectType) and decides_by_class(object_type):
            fields = plan.collect(executor, object_type, details).grouped_field_set
            self.selection = plan.selection(executor, object_type, fields)


class Selection:
    """The fields of an object in steps: each is some plain fields and their function, or others."""

    __slots__ = ("classes", "steps", "type")

    def __init__(
        self, plan: Plan, executor: Executor[Any], type_: GraphQLObjectType, fields: GroupedFieldSet
    ) -> None:
        self.type, self.classes = type_, Classes(type_)
        writer = plan.writer(executor)
        steps: list[tuple[dict[str, str] | None, list[Field]]] = []
        for response, details in fields.items():
            definition = plan.schema.get_field(type_, details[0].node.name.value)
            if definition is None:
                continue  # as graphql-core does
            try:
                item = writer.field(type_, details)
            except Exception:  # noqa: BLE001 - also an error of the selection, for graphql-core
                item = None
            if not steps or (steps[-1][0] is None) is not (item is None):
                steps.append((None if item is None else {}, []))
            items, step_fields = steps[-1]
            if items is not None and item is not None:
                items[response] = item
            step_fields.append(Field(response, type_, definition, details, plan.schema))
        names = ["" if items is None else writer.fields(items) for items, _ in steps]
        functions = writer.compile()
        self.steps = [
            (functions.get(name), step_fields)
            for name, (_, step_fields) in zip(names, steps, strict=True)
        ]


class Field:
    """A selected field of an object type."""

    __slots__ = (
        "definition",
        "details",
        "direct",
        "has_arguments",
        "nodes",
        "parent",
        "response",
        "type",
    )

    def __init__(
        self,
        response: str,
        parent: GraphQLObjectType,
        definition: GraphQLField,
        details: FieldDetailsList,
        schema: GraphQLSchema,
    ) -> None:
        self.response, self.parent, self.definition = response, parent, definition
        self.type, self.details = definition.type, details
        self.nodes = [detail.node for detail in details]
        self.has_arguments = bool(definition.args or self.nodes[0].arguments)
        self.direct = direct_call(definition, schema)


def _selections(executor: Executor[Any]) -> Iterator[Any]:
    left: list[Any] = [executor.operation, *executor.fragment_definitions.values()]
    while left:
        for node in left.pop().selection_set.selections:
            yield node
            if getattr(node, "selection_set", None):
                left.append(node)
