"""What is known of an operation before it runs: its fields, and the functions for what is plain.

A plan belongs to one parsed operation, one schema, and one choice of what `@skip` and `@include`
leave. It is made at the operation's second run, so it costs nothing where every request is parsed.
Its parts are made when they are first needed. Several threads may share it.
"""

from collections.abc import Iterator
from contextlib import suppress
from itertools import groupby
from typing import Any

from graphql import GraphQLField, GraphQLNonNull, GraphQLObjectType, VariableNode
from graphql.execution import Executor
from graphql.execution.collect_fields import CollectedFields, FieldDetailsList, GroupedFieldSet

from .classes import Classes, decides_by_class
from .functions import Function, Writer
from .resolvers import direct_call

# The name under which a parsed operation keeps its plans.
KEPT_AS = "_compiled_plans"
# Plans of one operation for the values of its `@skip` and `@include` variables.
MOST_PLANS = 4


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
            plan = self.by_choice.setdefault(choice, Plan(root))
        return plan


class Plan:
    """The parts of a plan, by what they are for.

    The keys hold ids of lists and dicts, which `root` and `collected` keep alive. `setdefault`
    makes threads agree on one of them.
    """

    def __init__(self, root: GroupedFieldSet) -> None:
        self.root = root
        self.collected: dict[tuple[GraphQLObjectType, int], CollectedFields] = {}
        self._values: dict[tuple[Any, int], Value] = {}
        self._selections: dict[int, Selection] = {}

    def value(self, executor: Any, type_: Any, details: FieldDetailsList) -> "Value":
        """Return what completes a field's value."""
        key = type_, id(details)
        value = self._values.get(key)
        return value or self._values.setdefault(key, Value(self, executor, type_, details))

    def selection(
        self, executor: Any, type_: GraphQLObjectType, fields: GroupedFieldSet
    ) -> "Selection":
        """Return what executes the fields of an object."""
        selection = self._selections.get(id(fields))
        return selection or self._selections.setdefault(
            id(fields), Selection(executor, type_, fields)
        )


class Value:
    """How a field's value is completed.

    `plain` is a function if only plain fields are selected of it. `selection` is set for an object
    with other fields, if its class is enough to know its type.
    """

    __slots__ = ("plain", "selection")

    def __init__(self, plan: Plan, executor: Any, type_: Any, details: FieldDetailsList) -> None:
        self.plain: Function | None = None
        self.selection: Selection | None = None
        writer = Writer(executor)
        # Any other error is one of the selection, which graphql-core reports.
        with suppress(Exception):
            name = writer.value(type_, details)
            self.plain = writer.compile()[name]
            return
        object_type = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
        if isinstance(object_type, GraphQLObjectType) and decides_by_class(object_type):
            fields = executor.collect_subfields(object_type, details).grouped_field_set
            self.selection = plan.selection(executor, object_type, fields)


class Selection:
    """The fields of an object in steps: each is some plain fields and their function, or others."""

    __slots__ = ("classes", "steps")

    def __init__(
        self, executor: Any, type_: GraphQLObjectType, grouped_fields: GroupedFieldSet
    ) -> None:
        self.classes = Classes(type_)
        writer = Writer(executor)
        # Like graphql-core, leave out what the type does not have.
        fields = [
            Field(response, type_, definition, details, writer)
            for response, details in grouped_fields.items()
            if (definition := executor.schema.get_field(type_, details[0].node.name.value))
        ]
        steps = []
        for _, group in groupby(fields, lambda field: field.written is None):
            step = list(group)
            written = {field.response: field.written for field in step if field.written}
            steps.append((writer.fields(written) if written else "", step))
        functions = writer.compile()
        self.steps = [(functions.get(name), step) for name, step in steps]


class Field:
    """A selected field of an object type; `written` is its expression if it is plain."""

    __slots__ = (
        *("definition", "details", "direct", "has_arguments", "nodes", "parent", "response"),
        *("type", "written"),
    )

    def __init__(
        self,
        response: str,
        parent: GraphQLObjectType,
        definition: GraphQLField,
        details: FieldDetailsList,
        writer: Writer,
    ) -> None:
        self.response, self.parent, self.definition = response, parent, definition
        self.type, self.details = definition.type, details
        self.nodes = [detail.node for detail in details]
        self.has_arguments = bool(definition.args or self.nodes[0].arguments)
        self.direct = direct_call(definition, writer.schema)
        self.written: str | None = None
        # Any other error is one of the selection, which graphql-core reports.
        with suppress(Exception):
            self.written = writer.field(parent, details)


def _selections(executor: Executor[Any]) -> Iterator[Any]:
    left: list[Any] = [executor.operation, *executor.fragment_definitions.values()]
    while left:
        for node in left.pop().selection_set.selections:
            yield node
            if getattr(node, "selection_set", None):
                left.append(node)
