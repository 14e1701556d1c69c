"""The latest executions of events, for the subscribers of a group to share."""

import asyncio
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
from graphql import (
    FieldNode,
    GraphQLSchema,
    InlineFragmentNode,
    Node,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    is_object_type,
)

from gql.limits.shape import fragments_of, root_fields
from gql.live.events import SharedResult
from gql.live.tabs import Tab

if TYPE_CHECKING:
    from gql.admission import Operation

# Seconds for which an execution is shared with subscribers that are not quite as far.
SHARED_SECONDS = 1.0
_CAPACITY = 1_000
# What these types answer depends on the caller. All else depends on the caller's role only.
_PERSONAL_TYPES = ("Tenant", "Notification")
# The root argument that says where a stream begins, which does not change its events.
_START = "after"


@dataclass(slots=True)
class Execution:
    """The execution of one event, and the users who owe for it."""

    outcome: SharedResult | asyncio.Task[SharedResult]
    user_id: UUID
    cost: int
    owing: set[Tab] = field(default_factory=set)
    began: float = field(default_factory=monotonic)

    async def result(self) -> SharedResult:
        """Return the result; a subscriber who leaves does not end the execution of the others."""
        if not isinstance(self.outcome, SharedResult):
            self.outcome = await asyncio.shield(self.outcome)
        return self.outcome


class Executions:
    """The executions that began less than `SHARED_SECONDS` ago."""

    def __init__(self) -> None:
        self._latest: OrderedDict[Hashable, Execution] = OrderedDict()

    def get(self, key: Hashable) -> Execution | None:
        """Return the execution of this key, if it began lately."""
        execution = self._latest.get(key)
        if execution is None or monotonic() - execution.began >= SHARED_SECONDS:
            return None
        return execution

    def keep(self, key: Hashable, execution: Execution) -> None:
        """Keep an execution that begins now, and forget those that are too old to be shared."""
        self._latest[key] = execution
        self._latest.move_to_end(key)
        while self._is_stale() or len(self._latest) > _CAPACITY:
            self._latest.popitem(last=False)

    def _is_stale(self) -> bool:
        execution = next(iter(self._latest.values()))
        has_ended = isinstance(execution.outcome, SharedResult) or execution.outcome.done()
        return has_ended and monotonic() - execution.began >= SHARED_SECONDS


class Equality:
    """Knows which subscriptions of equal rights have equal answers."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._personal_fields = {
            name
            for type_ in schema.type_map.values()
            if is_object_type(type_)
            for name, definition in type_.fields.items()
            if get_named_type(definition.type).name in _PERSONAL_TYPES
        }

    def key(self, operation: "Operation") -> tuple[Hashable, ...]:
        """Return what equal subscriptions have in common, such as the user if that matters."""
        fields = {
            name
            for definition in operation.document.definitions
            for name in _field_names(getattr(definition, "selection_set", None))
        }
        is_personal = not self._personal_fields.isdisjoint(fields)
        variables = orjson.dumps(_shaping_variables(operation), option=orjson.OPT_SORT_KEYS)
        # orjson's bytes hold 4 KB, however short they are; the text does not.
        user_id = operation.user_id if is_personal else None
        return operation.text, operation.name, variables.decode(), user_id


def _field_names(selections: SelectionSetNode | None) -> Iterator[str]:
    for node in selections.selections if selections else ():
        if isinstance(node, FieldNode):
            yield node.name.value
        if isinstance(node, FieldNode | InlineFragmentNode):
            yield from _field_names(node.selection_set)


def _shaping_variables(operation: "Operation") -> dict[str, Any]:
    """Return the variables without the one that only says where the stream begins."""
    variables = dict(operation.variables)
    for root in root_fields(operation.node.selection_set, fragments_of(operation.document)):
        for argument in root.arguments or ():
            if argument.name.value == _START and isinstance(argument.value, VariableNode):
                name = argument.value.name.value
                # It is defined and used here, and nowhere else.
                if [*_variable_names(operation.document)].count(name) == 2:
                    variables.pop(name, None)
    return variables


def _variable_names(node: Node) -> Iterator[str]:
    """Yield the name of a variable each time that it is named, its definition included."""
    if isinstance(node, VariableNode):
        yield node.name.value
    for key in node.keys:
        value = getattr(node, key)
        for child in value if isinstance(value, list | tuple) else (value,):
            if isinstance(child, Node):
                yield from _variable_names(child)
