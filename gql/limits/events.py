"""What the events of a subscription take: turns and points of its owner."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
from graphql import ExecutionResult, FragmentDefinitionNode, OperationDefinitionNode

from domain.tenancy.models import TenantAccess
from gql.limits.cost import EVENT

if TYPE_CHECKING:
    from gql.admission import Gate

# Seconds for which equal subscriptions of a user take the result that one of them got.
SHARED_SECONDS = 1.0
_SHARED_CAPACITY = 1_000

Entered = Callable[[], Awaitable[TenantAccess | None]]
Execute = Callable[[], Coroutine[Any, Any, ExecutionResult]]


@dataclass(slots=True)
class SharedEvents:
    """The events that were executed in the last moment, for subscriptions that are equal."""

    _executed: OrderedDict[Hashable, tuple[float, asyncio.Task[ExecutionResult]]] = field(
        default_factory=OrderedDict
    )

    def get(self, key: Hashable) -> asyncio.Task[ExecutionResult] | None:
        """Return the execution that began less than `SHARED_SECONDS` ago, if there is one."""
        began, task = self._executed.get(key, (float("-inf"), None))
        return task if monotonic() - began < SHARED_SECONDS else None

    def keep(self, key: Hashable, task: asyncio.Task[ExecutionResult]) -> None:
        """Keep an execution that begins, and forget those that are too old to be shared."""
        self._executed[key] = (monotonic(), task)
        self._executed.move_to_end(key)
        while self._is_stale() or len(self._executed) > _SHARED_CAPACITY:
            self._executed.popitem(last=False)

    def _is_stale(self) -> bool:
        began, task = next(iter(self._executed.values()))
        return task.done() and monotonic() - began >= SHARED_SECONDS


class EventMeter:
    """Executes the events of one subscription, when it is its owner's turn and at their cost."""

    def __init__(
        self,
        gate: "Gate",
        user_id: UUID,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, Any],
        text: str,
    ) -> None:
        self._gate = gate
        self._user_id = user_id
        self._operation = operation
        self._fragments = fragments
        self._variables = variables
        name = operation.name.value if operation.name else None
        encoded = orjson.dumps(variables, option=orjson.OPT_SORT_KEYS)
        self._equal = (user_id, text, name, encoded)
        self._points: dict[str, int] = {}

    async def execute(self, event: object, execute: Execute, entered: Entered) -> ExecutionResult:
        """Return the result of one event, executed here or for an equal subscription.

        Waits until the owner has points for it. `entered` returns the rights of now, which may
        have changed during the wait.

        Raises:
            UnauthenticatedError, ForbiddenError: the owner lost the right to see it.
        """
        await self._settle(EVENT)
        if self._gate.events.get(self._key(event, await entered())) is None:
            await self._settle(self._points_of(event) - EVENT)
        # Each waits for a turn, also for a result that is there: sending it is work as well.
        async with self._gate.turns.place(self._user_id):
            key = self._key(event, await entered())
            if (task := self._gate.events.get(key)) is None:
                task = asyncio.create_task(execute())
                task.add_done_callback(_retrieve)
                if key is not None:
                    self._gate.events.keep(key, task)
            result = await asyncio.shield(task)
        # Its errors are replaced by public ones, for each client by itself.
        return ExecutionResult(result.data, result.errors and [*result.errors])

    def _key(self, event: object, access: TenantAccess | None) -> Hashable:
        """Return what equal subscriptions have in common for this event; None if it is unique."""
        identity = _identity(event)
        return None if identity is None else (*self._equal, access and access.role, *identity)

    async def _settle(self, points: int) -> None:
        await self._gate.budgets.settle(self._user_id, points)

    def _points_of(self, event: object) -> int:
        type_name = type(event).__name__
        if type_name not in self._points:
            self._points[type_name] = self._gate.costs.event_points(
                self._operation, self._fragments, self._variables, type_name
            )
        return self._points[type_name]


def _identity(event: Any) -> tuple[Hashable, ...] | None:
    """Return what two events have in common that are the same to equal subscriptions."""
    cursor = getattr(event, "cursor", None)
    if not isinstance(cursor, str):
        return None
    details = (getattr(event, name, None) for name in ("change", "kind", "reason"))
    return type(event).__name__, cursor, *details


def _retrieve(task: "asyncio.Task[ExecutionResult]") -> None:
    """Keep asyncio from complaining when all subscribers left before the task failed."""
    if not task.cancelled():
        task.exception()
