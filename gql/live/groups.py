"""Groups of equal subscribers: one member reads the feed for all, and passes each event on."""

from collections.abc import Hashable
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from domain.runs.models import FeedCursor
from gql.live.events import LiveEvent, SharedResult
from gql.live.executions import Execution, Executions

if TYPE_CHECKING:
    from gql.live.members import Member


class Group:
    """The subscribers with the same document, variables, role and filter.

    Its leader reads the feed. The others wait, and the leader sends each event to them before it
    sends it to its own client. Before anything that could make it wait, it hands the lead over.
    """

    def __init__(self, executions: Executions) -> None:
        self.executions = executions
        # The members who wait, the longest first.
        self.waiting: dict[Member, None] = {}
        self.leader: Member | None = None
        # Waiting members have received everything up to here.
        self.cursor: FeedCursor | None = None

    def has_reached(self, cursor: FeedCursor) -> bool:
        """Return whether the leader will pass on everything after the cursor."""
        here = self.cursor
        return (
            self.leader is not None
            and here is not None
            and here.epoch == cursor.epoch
            and here.seq <= cursor.seq
        )

    def lead(self, member: "Member", cursor: FeedCursor) -> None:
        """Let a member lead that has received everything up to the cursor."""
        self.leader, self.cursor = member, cursor

    def hand_over(self, leader: "Member") -> None:
        """Let the member who waits longest lead instead; nothing happens if `leader` does not."""
        if self.leader is leader:
            self.leader = next(iter(self.waiting), None)
            if self.leader is not None:
                del self.waiting[self.leader]
                self.leader.resume()

    def deliver(self, event: LiveEvent, execution: Execution, result: SharedResult) -> None:
        """Send the result of an event to all members who wait; they take the last one alone."""
        if event.is_last:
            return
        self.cursor = event.cursor
        for member in [*self.waiting]:
            if not member.receive(event, execution, result):
                self.waiting.pop(member, None)

    def check(self) -> None:
        """Let the members read their roles again whose roles are not fresh."""
        for member in [*self.waiting]:
            if not member.is_fresh():
                del self.waiting[member]
                member.resume()

    def dismiss(self) -> None:
        """Let all members start over, because some events are gone."""
        waiting, self.waiting, self.leader = self.waiting, {}, None
        for member in waiting:
            member.start_over()


class Groups:
    """The groups of this process; each lasts as long as it has members."""

    def __init__(self) -> None:
        self._executions = Executions()
        self._groups: WeakValueDictionary[Hashable, Group] = WeakValueDictionary()

    def of(self, key: Hashable) -> Group:
        """Return the group of this key."""
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group(self._executions)
        return group
