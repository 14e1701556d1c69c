"""The events of subscriptions: equal subscribers execute each once, and every user pays for it."""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLSchema,
    InlineFragmentNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    is_object_type,
)

from domain.concurrency.fair_queue import Turn
from gql.limits.cost import EVENT
from gql.limits.shape import fragments_of, root_fields
from gql.live import LiveEvent, SharedResult

if TYPE_CHECKING:
    from gql.admission import Admission, Operation
    from gql.context import Context

# Seconds for which equal subscribers share the result of one execution.
SHARED_SECONDS = 1.0
_SHARED_CAPACITY = 1_000
# What a tenant answers depends on the caller; everything else depends on the caller's role only.
_PERSONAL_TYPE = "Tenant"
# The root argument that says where a stream begins, which does not change its events.
_START = "after"

Execute = Callable[[], Coroutine[Any, Any, SharedResult]]


@dataclass(slots=True)
class _Execution:
    """The execution of one event, and the users that have paid for it."""

    task: asyncio.Task[SharedResult]
    user_id: UUID
    paid: set[UUID] = field(default_factory=set)
    began: float = field(default_factory=monotonic)


class SharedEvents:
    """The latest executions of events, for equal subscribers to share."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._executions: OrderedDict[Hashable, _Execution] = OrderedDict()
        self._personal_fields = {
            name
            for type_ in schema.type_map.values()
            if is_object_type(type_)
            for name, definition in type_.fields.items()
            if get_named_type(definition.type).name == _PERSONAL_TYPE
        }

    def get(self, key: Hashable) -> _Execution | None:
        """Return the execution of this key, if it began less than `SHARED_SECONDS` ago."""
        execution = self._executions.get(key)
        if execution is None or monotonic() - execution.began >= SHARED_SECONDS:
            return None
        return execution

    def keep(self, key: Hashable, execution: _Execution) -> None:
        """Keep an execution that begins now, and forget those that are too old to be shared."""
        self._executions[key] = execution
        self._executions.move_to_end(key)
        while self._is_stale() or len(self._executions) > _SHARED_CAPACITY:
            self._executions.popitem(last=False)

    def is_personal(self, document: DocumentNode) -> bool:
        """Return whether two users of the same role may get different answers."""
        return not self._personal_fields.isdisjoint(
            name
            for definition in document.definitions
            for name in _field_names(getattr(definition, "selection_set", None))
        )

    def _is_stale(self) -> bool:
        execution = next(iter(self._executions.values()))
        return execution.task.done() and monotonic() - execution.began >= SHARED_SECONDS


class EventMeter:
    """Executes the events of one subscription, in its owner's turns and on its owner's budget."""

    def __init__(
        self,
        events: SharedEvents,
        admission: "Admission",
        operation: "Operation",
        context: "Context",
    ) -> None:
        self._events = events
        self._admission = admission
        self._operation = operation
        self._user_id = operation.user_id
        self._access = context.entered
        self._fragments = fragments_of(operation.document)
        self._equal = (
            operation.text,
            operation.name,
            orjson.dumps(self._shaping_variables(), option=orjson.OPT_SORT_KEYS),
            self._user_id if events.is_personal(operation.document) else None,
        )
        self._costs: dict[str, int] = {}

    async def execute(self, event: object, execute: Execute) -> SharedResult:
        """Return the result of one event, executed here or for an equal subscriber.

        Waits until the owner's budget covers it. Each user pays the whole cost once, and `EVENT`
        for each further subscription.

        Raises:
            UnauthenticatedError, ForbiddenError: the owner may not see the event any more.
        """
        await self._settle(EVENT)
        execution = self._events.get(await self._key(event))
        if execution is None or self._user_id not in execution.paid:
            await self._settle(self._cost_of(event) - EVENT)
            execution = self._events.get(await self._key(event))
        if execution is None:
            execution = await self._begin(event, execute)
        execution.paid.add(self._user_id)
        result = await asyncio.shield(execution.task)
        if result.errors and execution.user_id != self._user_id:
            # An error may be about the other user.
            execution = await self._begin(event, execute, self._user_id)
            result = await asyncio.shield(execution.task)
        return result

    async def _begin(self, event: object, execute: Execute, *alone: Hashable) -> _Execution:
        """Wait for a turn; return the execution that began then, or earlier for this key."""
        turn = Turn(self._admission.turns, self._user_id)
        await turn.take()
        with ExitStack() as unless_used:
            unless_used.callback(turn.give_back)
            key = await self._key(event, *alone)
            if (execution := self._events.get(key)) is None:
                execution = _Execution(asyncio.create_task(execute()), self._user_id)
                execution.task.add_done_callback(_retrieve)
                # It keeps the turn until it ends, even if all its subscribers have left.
                execution.task.add_done_callback(lambda _: turn.give_back())
                unless_used.pop_all()
                if key is not None:
                    self._events.keep(key, execution)
        return execution

    async def _key(self, event: object, *alone: Hashable) -> Hashable:
        """Return a key that equal subscribers share for this event; None if it is unique."""
        access = await self._access()
        if not isinstance(event, LiveEvent):
            return None
        return (*self._equal, access and access.role, event.type, *event.identity, *alone)

    async def _settle(self, cost: int) -> None:
        await self._admission.budgets.settle(self._user_id, cost)

    def _cost_of(self, event: object) -> int:
        type_ = event.type if isinstance(event, LiveEvent) else type(event)
        name = type_.__name__
        if name not in self._costs:
            operation = self._operation
            self._costs[name] = self._admission.costs.event_cost(
                operation.node, self._fragments, operation.variables, name
            )
        return self._costs[name]

    def _shaping_variables(self) -> dict[str, Any]:
        """Return the variables without the one that only says where the stream begins."""
        operation = self._operation
        variables = dict(operation.variables)
        for root in root_fields(operation.node.selection_set, self._fragments):
            for argument in root.arguments or ():
                if argument.name.value == _START and isinstance(argument.value, VariableNode):
                    name = argument.value.name.value
                    # It is defined and used here, and nowhere else.
                    if len(re.findall(rf"\${name}\b", operation.text)) == 2:
                        variables.pop(name, None)
        return variables


def _field_names(selections: SelectionSetNode | None) -> Iterator[str]:
    for node in selections.selections if selections else ():
        if isinstance(node, FieldNode):
            yield node.name.value
        if isinstance(node, FieldNode | InlineFragmentNode):
            yield from _field_names(node.selection_set)


def _retrieve(task: "asyncio.Task[SharedResult]") -> None:
    """Retrieve the exception, so that asyncio logs none when all subscribers have left."""
    if not task.cancelled():
        task.exception()
