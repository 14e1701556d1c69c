"""The events of subscriptions: each waits for its owner's turn and spends its owner's budget."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

import orjson
from graphql import ExecutionResult

from domain.tenancy.models import TenantAccess
from gql.limits.cost import EVENT
from gql.limits.shape import fragments_of

if TYPE_CHECKING:
    from gql.admission import Admission, Operation

# Seconds for which equal subscriptions of a user share the result of one execution.
SHARED_SECONDS = 1.0
_SHARED_CAPACITY = 1_000

Entered = Callable[[], Awaitable[TenantAccess | None]]
Execute = Callable[[], Coroutine[Any, Any, ExecutionResult]]


@dataclass(slots=True)
class SharedEvents:
    """The latest executions of events, for equal subscriptions of a user to share."""

    _executed: OrderedDict[Hashable, tuple[float, asyncio.Task[ExecutionResult]]] = field(
        default_factory=OrderedDict
    )

    def get(self, key: Hashable) -> asyncio.Task[ExecutionResult] | None:
        """Return the execution of this key, if it began less than `SHARED_SECONDS` ago."""
        began, task = self._executed.get(key, (float("-inf"), None))
        return task if monotonic() - began < SHARED_SECONDS else None

    def keep(self, key: Hashable, task: asyncio.Task[ExecutionResult]) -> None:
        """Keep an execution that begins now, and forget those that are too old to be shared."""
        self._executed[key] = (monotonic(), task)
        self._executed.move_to_end(key)
        while self._is_stale() or len(self._executed) > _SHARED_CAPACITY:
            self._executed.popitem(last=False)

    def _is_stale(self) -> bool:
        began, task = next(iter(self._executed.values()))
        return task.done() and monotonic() - began >= SHARED_SECONDS


class EventMeter:
    """Executes the events of one subscription, in its owner's turns and on its owner's budget."""

    def __init__(self, admission: "Admission", operation: "Operation") -> None:
        self._admission = admission
        self._operation = operation
        self._fragments = fragments_of(operation.document)
        variables = orjson.dumps(operation.variables, option=orjson.OPT_SORT_KEYS)
        self._equal = (operation.user_id, operation.text, operation.name, variables)
        self._costs: dict[str, int] = {}

    async def execute(self, event: object, execute: Execute, entered: Entered) -> ExecutionResult:
        """Return the result of one event, executed here or for an equal subscription.

        Waits until the owner's budget covers it. `entered` returns the owner's current access,
        which may have changed during the wait.

        Raises:
            UnauthenticatedError, ForbiddenError: the owner may not see the event any more.
        """
        shared = self._admission.events
        await self._settle(EVENT)
        if shared.get(self._key(event, await entered())) is None:
            await self._settle(self._cost_of(event) - EVENT)
        # Sending a shared result is work as well, so it waits for a turn too.
        async with self._admission.turns.place(self._operation.user_id):
            key = self._key(event, await entered())
            if (task := shared.get(key)) is None:
                task = asyncio.create_task(execute())
                task.add_done_callback(_retrieve)
                if key is not None:
                    shared.keep(key, task)
            return await asyncio.shield(task)

    def _key(self, event: object, access: TenantAccess | None) -> Hashable:
        """Return a key that equal subscriptions share for this event; None if it is unique."""
        identity = _identity(event)
        return None if identity is None else (*self._equal, access and access.role, *identity)

    async def _settle(self, cost: int) -> None:
        await self._admission.budgets.settle(self._operation.user_id, cost)

    def _cost_of(self, event: object) -> int:
        type_name = type(event).__name__
        if type_name not in self._costs:
            self._costs[type_name] = self._admission.costs.event_cost(
                self._operation.node, self._fragments, self._operation.variables, type_name
            )
        return self._costs[type_name]


def _identity(event: Any) -> tuple[Hashable, ...] | None:
    """Return the parts by which equal subscriptions recognize an event; None without a cursor."""
    cursor = getattr(event, "cursor", None)
    if not isinstance(cursor, str):
        return None
    details = (getattr(event, name, None) for name in ("change", "kind", "reason"))
    return type(event).__name__, cursor, *details


def _retrieve(task: "asyncio.Task[ExecutionResult]") -> None:
    """Retrieve the exception, so that asyncio logs none when all subscribers have left."""
    if not task.cancelled():
        task.exception()
