"""Random histories of groups, each decided by its seed."""

import random

from tests.graph.groups import Groups, Member, Presence
from tests.graph.policies import Policies
from tests.graph.policy_collections import COLLECTIONS

_KINDS = ("user", "user", "user", "device", "servicePrincipal")


def new_groups(groups: Groups, count: int, seed: int = 0) -> None:
    """Add this many groups with members."""
    history = History(groups, seed)
    for _ in range(count):
        history.create()


def change_policies(policies: Policies, changes: int, chance: random.Random) -> None:
    """Let this many policies have another description and, where they have some, no assignment."""
    for _ in range(changes):
        name = chance.choice([name for name in COLLECTIONS if policies.documents(name)])
        document = dict(chance.choice(policies.documents(name)))
        document["description"] = f"Changed {chance.randrange(10_000)}"
        if document.get("assignments"):
            document["assignments"] = []
        policies.put(name, [document])


class History:
    """Changes groups by chance; members come from a crowd, so that groups share them."""

    def __init__(self, groups: Groups, seed: int, crowd: int = 60) -> None:
        self._groups = groups
        self._chance = random.Random(seed)  # noqa: S311 - no secret
        self._crowd = [Member(self._id(), self._chance.choice(_KINDS)) for _ in range(crowd)]

    def create(self) -> None:
        """Add a group."""
        self._groups.put(self._name(), self._some(), group_id=self._id())

    def step(self, changes: int = 1) -> None:
        """Make this many changes."""
        for _ in range(changes):
            self._change()

    def _change(self) -> None:
        groups, chance = self._groups, self._chance
        by_presence: dict[Presence, list[str]] = {presence: [] for presence in Presence}
        for key, group in groups.by_id.items():
            by_presence[group.presence].append(key)
        present, removed = by_presence[Presence.PRESENT], by_presence[Presence.SOFT_DELETED]
        action = chance.choice(
            ["create", "add", "add", "remove", "rename", "delete", "restore", "purge", "empty"]
        )
        if action == "create" or not present:
            self.create()
        elif action == "add":
            groups.add_members(chance.choice(present), self._some())
        elif action in ("remove", "empty"):
            group = groups.by_id[chance.choice(present)]
            members = sorted(group.members)
            count = len(members) if action == "empty" else chance.randint(0, len(members))
            groups.remove_members(group.id, chance.sample(members, count))
        elif action == "rename":
            groups.rename(chance.choice(present), self._name())
        elif action == "delete":
            groups.delete(chance.choice(present))
        elif action == "restore" and removed:
            groups.restore(chance.choice(removed))
        elif action == "purge":
            groups.delete(chance.choice(present + removed), forever=True)

    def _some(self) -> list[Member]:
        return self._chance.sample(self._crowd, self._chance.randint(0, len(self._crowd) // 2))

    def _name(self) -> str:
        return f"Group {self._chance.randrange(10_000)}"

    def _id(self) -> str:
        digits = f"{self._chance.getrandbits(128):032x}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
