"""One subscription in its group."""

import asyncio
from collections.abc import Callable, Hashable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from domain.concurrency.fair_queue import FairQueue, Turn
from domain.runs.feed import FeedGapError, TenantFeed
from domain.runs.models import FeedCursor
from domain.tenancy.models import TenantAccess
from gql.limits.cost import EVENT
from gql.live.events import LiveEvent, SharedResult
from gql.live.executions import Equality, Execution
from gql.live.groups import Groups
from gql.live.outlets import Begun, Outlet
from gql.live.tabs import Tabs

if TYPE_CHECKING:
    from gql.admission import Operation
    from gql.context import Context
    from gql.observation import Observation

Execute = Callable[[], SharedResult | asyncio.Task[SharedResult]]
# What one who waits has to do in its own task: send an event, or its rest; None to read on.
_Errand = tuple[LiveEvent, Execution, SharedResult, Begun | None] | None


@dataclass(frozen=True, slots=True)
class LiveParts:
    """What the subscribers of all groups share."""

    groups: Groups
    equality: Equality
    tabs: Tabs
    turns: FairQueue


class Subscriber:
    """A subscriber: in its group, in its user's turns and on its user's budget.

    It reads the feed itself until it has caught up. Then it waits, and its leader sends to it; or
    it leads.
    """

    def __init__(
        self,
        parts: LiveParts,
        operation: "Operation",
        context: "Context",
        observation: "Observation",
        outlet: Outlet | None,
        cost_of: Callable[[type], int],
    ) -> None:
        self._parts = parts
        self._context = context
        self._observation = observation
        # Without one, it always reads the feed itself.
        self._outlet = outlet
        self._cost_of = cost_of
        self._user_id = operation.user_id
        self._tab = parts.tabs.of(operation.user_id)
        self._equal = parts.equality.key(operation)
        self._access: TenantAccess | None = None
        self._group = parts.groups.of(self._equal)
        self._cursor: FeedCursor | None = None
        self._errand: asyncio.Future[_Errand] | None = None
        # By the monotonic clock.
        self._sent_at = monotonic()

    def follow(self, source: Hashable) -> None:
        """Name what it follows, as far as its document and variables do not say it."""
        self._equal = (*self._equal, source)
        self._access = None

    def is_fresh(self) -> bool:
        """Return whether its user's token and role were checked lately."""
        return self._context.is_fresh()

    @property
    def seq(self) -> int:
        """The number of the last event that it received or read by itself."""
        return self._cursor.seq if self._cursor else 0

    @property
    def silent_seconds(self) -> float:
        """The seconds since something was sent."""
        return monotonic() - self._sent_at

    # Executing events

    async def execute(self, event: object, execute: Execute) -> SharedResult:
        """Return the result of one event, executed here or by an equal subscriber.

        Waits until the user's budget covers it. Each user pays the whole cost once, and `EVENT`
        for each further subscription. A leader sends the result to the others first.

        Raises:
            UnauthenticatedError, ForbiddenError: the user may not see the event any more.
        """
        execution = self._group.executions.get(self._key(event))
        cost = self._cost(event, execution)
        if not self._tab.charge(cost):
            self._group.hand_over(self)
            await self._tab.settle(cost)
        if await self._has_changed_group() or execution is None:
            execution = await self._execution(event, execute)
        execution.owing.add(self._tab)
        result = await execution.result()
        if result.errors and execution.user_id != self._user_id:
            # An error may be about the other user.
            result = await (await self._execution(event, execute, self._user_id)).result()
        elif self._group.leader is self and isinstance(event, LiveEvent) and not result.errors:
            self._group.deliver(event, execution, result)
        # Its own client may not read.
        self._group.hand_over(self)
        self._sent_at = monotonic()
        return result

    async def _execution(self, event: object, execute: Execute, *alone: Hashable) -> Execution:
        """Return the execution of an event; if there is none lately, begin it in a turn."""
        executions = self._group.executions
        if (execution := executions.get(self._key(event, *alone))) is not None:
            return execution
        if not self._parts.turns.has_place(self._user_id):
            self._group.hand_over(self)
        turn = Turn(self._parts.turns, self._user_id)
        await turn.take()
        with ExitStack() as unless_used:
            unless_used.callback(turn.give_back)
            await self._has_changed_group()
            key = self._key(event, *alone)
            if (execution := executions.get(key)) is None:
                outcome = execute()
                if not isinstance(outcome, SharedResult):
                    outcome.add_done_callback(_retrieve)
                    # It keeps the turn until it ends, even if all subscribers have left.
                    outcome.add_done_callback(lambda _: turn.give_back())
                    unless_used.pop_all()
                execution = Execution(outcome, self._user_id, self._cost(event, None))
                if key is not None:
                    executions.keep(key, execution)
        return execution

    def _key(self, event: object, *alone: Hashable) -> Hashable:
        """Return the key of this event's execution; None if it cannot be shared."""
        if not isinstance(event, LiveEvent):
            return None
        cursor = event.cursor
        type_ = event.type.__name__
        return (self._group, type_, cursor.epoch, cursor.seq, event.detail, *alone)

    def _cost(self, event: object, execution: Execution | None) -> int:
        if execution is not None:
            return EVENT if self._tab in execution.owing else execution.cost
        return self._cost_of(event.type if isinstance(event, LiveEvent) else type(event))

    async def _has_changed_group(self) -> bool:
        """Check the user's access again, and change to the group of its role."""
        access = await self._context.entered()
        if access is self._access and access is not None:
            return False
        self._access, before = access, self._group
        self._group = self._parts.groups.of(
            (*self._equal, access and (access.tenant_id, access.role))
        )
        if self._group is not before:
            before.hand_over(self)
        return self._group is not before

    # Waiting for the leader

    async def wait(self, feed: TenantFeed, cursor: FeedCursor) -> FeedCursor:
        """Return when it has to read the feed itself, and the cursor after which to read.

        Raises:
            FeedGapError: take a new snapshot.
            UnauthenticatedError, ForbiddenError: the user may not see more.
        """
        self._cursor = cursor
        while self.may_wait(self._cursor):
            if self._group.leader is self:
                self._group.cursor = self._cursor
                break
            if (errand := await self._next_errand()) is None:
                await self._has_changed_group()
            else:
                await self._run(*errand)
        else:
            if self._outlet and self._group.leader is None and not feed.is_behind(self._cursor):
                self._group.lead(self, self._cursor)
        return self._cursor

    def may_wait(self, cursor: FeedCursor) -> bool:
        """Return whether it would miss nothing if its leader read for it.

        The first answer differs from that of the others, since it reports the cost.
        """
        return (
            self._outlet is not None
            and self._observation.is_answered
            and self._group.has_reached(cursor)
        )

    def receive(self, event: LiveEvent, execution: Execution, result: SharedResult) -> bool:
        """Take an event from the leader; return False if the subscriber has to do so by itself."""
        assert self._errand is not None
        assert self._cursor is not None
        assert self._outlet is not None
        begins_at = event.cursor.seq if event.committed_at is None else event.cursor.seq - 1
        if self._cursor.seq > begins_at:
            return True  # it has received this before
        if self._errand.done():
            return False
        begun: Begun | None = None
        if self.is_fresh() and self._tab.charge(self._cost(event, execution)):
            execution.owing.add(self._tab)
            with suppress(Exception):  # the subscriber's own task will meet it again
                if (begun := self._outlet.begin(result)) is None:
                    self._has_sent(event)
                    return True
        self._errand.set_result((event, execution, result, begun))
        return False

    def resume(self) -> FeedCursor:
        """Make it go on in its own task; return the cursor after which it will read."""
        assert self._cursor is not None
        here = self._group.cursor
        if here and here.epoch == self._cursor.epoch and here.seq > self._cursor.seq:
            self._cursor = here
        if self._errand is not None and not self._errand.done():
            self._errand.set_result(None)
        return self._cursor

    def check_group(self, seconds: float) -> None:
        """As the leader, let those read their roles again who did not lately, once in `seconds`."""
        if self._group.leader is self and monotonic() - self._group.checked_at >= seconds:
            self._group.check()

    def lose_place(self) -> None:
        """As the leader, let all subscribers start over."""
        if self._group.leader is self:
            self._group.dismiss()

    def start_over(self) -> None:
        """Make it take a new snapshot."""
        if self._errand is not None and not self._errand.done():
            self._errand.set_exception(FeedGapError())

    def leave(self) -> None:
        """Leave the group, so that another subscriber leads, and pay."""
        self._group.hand_over(self)
        self._tab.pay_all()

    async def _next_errand(self) -> _Errand:
        self._errand = asyncio.get_running_loop().create_future()
        self._group.waiting[self] = None
        group = self._group
        try:
            return await self._errand
        finally:
            group.waiting.pop(self, None)

    async def _run(
        self, event: LiveEvent, execution: Execution, result: SharedResult, begun: Begun | None
    ) -> None:
        """Send an event, or the rest of it. The user may have to pay or to be checked before."""
        assert self._outlet is not None
        if begun is None:
            await self._tab.settle(self._cost(event, execution))
            execution.owing.add(self._tab)
            if await self._has_changed_group():
                return
            await self._outlet.send(result)
        else:
            await self._outlet.finish(begun)
        self._has_sent(event)

    def _has_sent(self, event: LiveEvent) -> None:
        self._observation.delivered(event.committed_at)
        self._cursor = event.cursor
        self._sent_at = monotonic()


def _retrieve(task: "asyncio.Task[SharedResult]") -> None:
    """Retrieve the exception, so that asyncio logs none when all subscribers have left."""
    if not task.cancelled():
        task.exception()
