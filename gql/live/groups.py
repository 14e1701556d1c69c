"""Groups of equal subscribers: one subscriber reads the feed for all, and passes each event on."""

from collections.abc import Hashable
from time import monotonic
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from domain.runs.models import FeedCursor
from gql.live.events import LiveEvent, SharedResult
from gql.live.executions import Execution, Executions

if TYPE_CHECKING:
    from gql.live.subscribers import Subscriber


class Group:
    """The subscribers with the same document, variables, role and filter.

    Its leader reads the feed. The others wait, and the leader sends each event to them before it
    sends it to its own client. Before anything that could make it wait, it hands the lead over.
    """

    def __init__(self, executions: Executions) -> None:
        self.executions = executions
        # The subscribers who wait, the longest first.
        self.waiting: dict[Subscriber, None] = {}
        self.leader: Subscriber | None = None
        # Waiting subscribers have received everything up to here.
        self.cursor: FeedCursor | None = None
        # By the monotonic clock.
        self.checked_at = monotonic()

    def has_reached(self, cursor: FeedCursor) -> bool:
        """Return whether the leader will pass on everything after the cursor."""
        here = self.cursor
        return (
            self.leader is not None
            and here is not None
            and here.epoch == cursor.epoch
            and here.seq <= cursor.seq
        )

    def lead(self, subscriber: "Subscriber", cursor: FeedCursor) -> None:
        """Let a subscriber lead that has received everything up to the cursor."""
        self.leader, self.cursor = subscriber, cursor

    def hand_over(self, leader: "Subscriber") -> None:
        """Let another subscriber lead instead of `leader`, if that one leads.

        Some subscribers have received more than the group, because they read alone until a moment
        ago. The new leader is one with the least: it reads for all others, who skip what they have.
        From now on, a subscriber with less than the new leader has to catch up before it waits.
        """
        if self.leader is leader:
            here = self.cursor.seq if self.cursor else 0
            others = self.waiting
            self.leader = next((each for each in others if each.seq <= here), None)
            if self.leader is None:
                self.leader = min(others, key=lambda each: each.seq, default=None)
            if self.leader is not None:
                del self.waiting[self.leader]
                self.cursor = self.leader.resume()

    def deliver(self, event: LiveEvent, execution: Execution, result: SharedResult) -> None:
        """Send the result of an event to all subscribers who wait; they take the last one alone."""
        if event.is_last:
            return
        self.cursor = event.cursor
        for subscriber in [*self.waiting]:
            if not subscriber.receive(event, execution, result):
                self.waiting.pop(subscriber, None)

    def check(self) -> None:
        """Let the subscribers read their roles again whose roles are not fresh."""
        self.checked_at = monotonic()
        for subscriber in [*self.waiting]:
            if not subscriber.is_fresh():
                del self.waiting[subscriber]
                subscriber.resume()

    def dismiss(self) -> None:
        """Let all subscribers start over, because some events are gone."""
        waiting, self.waiting, self.leader = self.waiting, {}, None
        for subscriber in waiting:
            subscriber.start_over()


class Groups:
    """The groups of this process; each lasts as long as it has subscribers."""

    def __init__(self) -> None:
        self._executions = Executions()
        self._groups: WeakValueDictionary[Hashable, Group] = WeakValueDictionary()

    def of(self, key: Hashable) -> Group:
        """Return the group of this key."""
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group(self._executions)
        return group
