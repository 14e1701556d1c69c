"""The events of subscriptions: equal subscribers execute each once, and every user pays for it."""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any
from uuid import UUID
from weakref import WeakValueDictionary

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
from domain.tenancy.models import TenantAccess
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

Execute = Callable[[], SharedResult | asyncio.Task[SharedResult]]


class Group:
    """The subscribers whose equal events have equal answers."""


@dataclass(slots=True)
class _Execution:
    """The execution of one event, and the users that have paid for it."""

    outcome: SharedResult | asyncio.Task[SharedResult]
    user_id: UUID
    paid: set[UUID] = field(default_factory=set)
    began: float = field(default_factory=monotonic)

    async def result(self) -> SharedResult:
        """Return the result; a subscriber who leaves does not end the execution of the others."""
        if not isinstance(self.outcome, SharedResult):
            self.outcome = await asyncio.shield(self.outcome)
        return self.outcome


class SharedEvents:
    """The groups of subscribers, and the latest executions of their events."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._executions: OrderedDict[Hashable, _Execution] = OrderedDict()
        self._groups: WeakValueDictionary[Hashable, Group] = WeakValueDictionary()
        self._personal_fields = {
            name
            for type_ in schema.type_map.values()
            if is_object_type(type_)
            for name, definition in type_.fields.items()
            if get_named_type(definition.type).name == _PERSONAL_TYPE
        }

    def group(self, key: Hashable) -> Group:
        """Return the group of this key; it lasts as long as a subscriber holds it."""
        return self._groups.setdefault(key, Group())

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
        has_ended = isinstance(execution.outcome, SharedResult) or execution.outcome.done()
        return has_ended and monotonic() - execution.began >= SHARED_SECONDS


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
        self._entered = context.entered
        self._fragments = fragments_of(operation.document)
        self._equal = (
            operation.text,
            operation.name,
            orjson.dumps(self._shaping_variables(), option=orjson.OPT_SORT_KEYS),
            self._user_id if events.is_personal(operation.document) else None,
        )
        self._access: TenantAccess | None = None
        self._group = Group()
        self._costs: dict[type, int] = {}

    async def execute(self, event: object, execute: Execute) -> SharedResult:
        """Return the result of one event, executed here or for an equal subscriber.

        Waits until the owner's budget covers it. Each user pays the whole cost once, and `EVENT`
        for each further subscription.

        Raises:
            UnauthenticatedError, ForbiddenError: the owner may not see the event any more.
        """
        execution = self._events.get(self._key(event))
        has_paid = execution is not None and self._user_id in execution.paid
        cost = EVENT if has_paid else self._cost_of(event)
        await self._admission.budgets.settle(self._user_id, cost)
        if await self._has_changed_group() or execution is None:
            execution = self._events.get(self._key(event)) or await self._begin(event, execute)
        execution.paid.add(self._user_id)
        result = await execution.result()
        if result.errors and execution.user_id != self._user_id:
            # An error may be about the other user.
            execution = await self._begin(event, execute, self._user_id)
            result = await execution.result()
        return result

    async def _has_changed_group(self) -> bool:
        """Check the owner's access again, and choose the group of its role."""
        access = await self._entered()
        if access is self._access and access is not None:
            return False
        self._access, before = access, self._group
        self._group = self._events.group((*self._equal, access and access.role))
        return self._group is not before

    async def _begin(self, event: object, execute: Execute, *alone: Hashable) -> _Execution:
        """Wait for a turn; return the execution that begins now, or began during the wait."""
        turn = Turn(self._admission.turns, self._user_id)
        await turn.take()
        with ExitStack() as unless_used:
            unless_used.callback(turn.give_back)
            await self._has_changed_group()
            key = self._key(event, *alone)
            if (execution := self._events.get(key)) is None:
                outcome = execute()
                if not isinstance(outcome, SharedResult):
                    outcome.add_done_callback(_retrieve)
                    # It keeps the turn until it ends, even if all its subscribers have left.
                    outcome.add_done_callback(lambda _: turn.give_back())
                    unless_used.pop_all()
                execution = _Execution(outcome, self._user_id)
                if key is not None:
                    self._events.keep(key, execution)
        return execution

    def _key(self, event: object, *alone: Hashable) -> Hashable:
        """Return the key of this event's execution; None if it cannot be shared."""
        if not isinstance(event, LiveEvent):
            return None
        return (self._group, event.type, *event.identity, *alone)

    def _cost_of(self, event: object) -> int:
        type_ = event.type if isinstance(event, LiveEvent) else type(event)
        if type_ not in self._costs:
            operation = self._operation
            self._costs[type_] = self._admission.costs.event_cost(
                operation.node, self._fragments, operation.variables, type_.__name__
            )
        return self._costs[type_]

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
