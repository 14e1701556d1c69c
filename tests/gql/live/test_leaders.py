"""The leader of a group reads for those who have received the least."""

from dataclasses import dataclass, field
from typing import Any, cast
from uuid import uuid4

import pytest

from domain.runs.models import FeedCursor
from gql.live.executions import Executions
from gql.live.groups import Group

EPOCH = uuid4()


@dataclass(eq=False)
class Waiting:
    """A subscriber who waits after this event."""

    seq: int
    resumed: list[None] = field(default_factory=list)

    def resume(self) -> FeedCursor:
        self.resumed.append(None)
        return FeedCursor(EPOCH, self.seq)


@pytest.mark.parametrize(
    ("seqs", "leads"),
    [([7, 7], 0), ([3, 9], 0), ([9, 3], 1), ([9, 7, 8], 1), ([10, 9, 8], 2), ([8, 9], 0)],
)
def test_the_new_leader_is_not_ahead_of_another_who_waits(seqs: list[int], leads: int) -> None:
    group, leader = Group(Executions()), cast("Any", Waiting(7))
    group.lead(leader, FeedCursor(EPOCH, 7))
    others: list[Any] = [Waiting(seq) for seq in seqs]
    group.waiting = dict.fromkeys(others)
    group.hand_over(leader)
    assert group.leader is others[leads]
    assert [len(each.resumed) for each in others] == [n == leads for n in range(len(others))]
    assert others[leads] not in group.waiting


def test_who_has_less_than_the_new_leader_does_not_join() -> None:
    group, leader = Group(Executions()), cast("Any", Waiting(7))
    group.lead(leader, FeedCursor(EPOCH, 7))
    group.waiting = dict.fromkeys([cast("Any", Waiting(9))])
    group.hand_over(leader)
    assert not group.has_reached(FeedCursor(EPOCH, 8))
    assert group.has_reached(FeedCursor(EPOCH, 9))


def test_without_others_the_group_has_no_leader() -> None:
    group, leader = Group(Executions()), cast("Any", Waiting(7))
    group.lead(leader, FeedCursor(EPOCH, 7))
    group.hand_over(leader)
    assert group.leader is None
