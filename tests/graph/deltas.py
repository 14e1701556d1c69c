"""`/groups/delta`: what changed since a deltaLink, as Graph says it.

A group's members come in parts, spread over pages, so the same group comes several times; entries
are repeated; some pages are empty. All of it follows from the seed.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from secrets import token_urlsafe
from typing import Any

from tests.graph.calls import Call, Reply
from tests.graph.errors import GraphError
from tests.graph.groups import Group, Groups, Presence
from tests.graph.options import require_known, selected

Entry = dict[str, Any]
_NOTHING: Mapping[str, Group] = {}
_DEFAULT = frozenset({"displayName", "description", "groupTypes", "mailEnabled", "securityEnabled"})
_OPTIONS = frozenset({"$select", "$deltatoken"})
# Of all entries and pages.
_REPEATED = 0.1
_EMPTY = 0.1


@dataclass(slots=True)
class _Position:
    """What a link stands for: the pages that are left, or, without pages, a state of the groups."""

    state: Mapping[str, Group]
    names: frozenset[str]
    pages: Sequence[Sequence[Entry]] = ()


@dataclass(slots=True)
class Deltas:
    """Answers delta requests; keeps the position of each link that it gave out."""

    groups: Groups
    page_size: int
    member_page: int
    """The most changes of members in one entry."""
    seed: int = 0
    _positions: dict[str, _Position] = field(default_factory=dict)
    _expired: dict[str, int] = field(default_factory=dict)

    def expire(self, status: int = 410) -> None:
        """Make all links too old: Graph answers with 410, or 400 and `syncStateNotFound`."""
        self._expired |= dict.fromkeys(self._positions, status)
        self._positions.clear()

    def answer(self, call: Call) -> Reply:
        """Return a page of changes.

        Raises:
            GraphError: the link is too old, or an option is not supported.
        """
        if token := call.options.get("$skiptoken") or call.options.get("$deltatoken"):
            return self._page(call, self._continued(call, token))
        require_known(call.options, _OPTIONS)
        return self._page(call, self._begin(_NOTHING, _names(call)))

    def _continued(self, call: Call, token: str) -> _Position:
        if token == "latest":
            require_known(call.options, _OPTIONS)
            return _Position(dict(self.groups.by_id), _names(call), [[]])
        position = self._positions.get(token)
        if position is None:
            raise _too_old(call, self._expired.get(token))
        return position if position.pages else self._begin(position.state, position.names)

    def _begin(self, since: Mapping[str, Group], names: frozenset[str]) -> _Position:
        """Fix the answer to all pages now; later changes are for the next deltaLink."""
        self.seed += 1
        chance = random.Random(self.seed)  # noqa: S311 - no secret
        entries = [
            entry
            for group in self.groups.by_id.values()
            for entry in self._entries(since.get(group.id), group, names, chance)
        ]
        entries += chance.sample(entries, round(len(entries) * _REPEATED))
        chance.shuffle(entries)
        size = self.page_size
        pages = [entries[start : start + size] for start in range(0, len(entries), size)] or [[]]
        for _ in range(round(len(pages) * _EMPTY)):
            pages.insert(chance.randrange(len(pages)), [])
        return _Position(dict(self.groups.by_id), names, pages)

    def _entries(
        self, before: Group | None, now: Group, names: frozenset[str], chance: random.Random
    ) -> Iterator[Entry]:
        if now.presence is not Presence.PRESENT:
            if before is not None and before.presence is not now.presence:
                yield {"id": now.id, "@removed": {"reason": now.presence.value}}
            return
        was_present = before is not None and before.presence is Presence.PRESENT
        known = before.members if before is not None and was_present else frozenset()
        changes = [member.entity() for member in now.members - known]
        changes += [
            {**member.entity(), "@removed": {"reason": "deleted"}} for member in known - now.members
        ]
        changes.sort(key=lambda member: str(member["id"]))
        chance.shuffle(changes)
        own = {key: value for key, value in now.properties().items() if key in names}
        if "members" not in names or not changes:
            if before is None or not was_present or before.name != now.name:
                yield {"id": now.id, **own}
            return
        for start in range(0, len(changes), self.member_page):
            part = changes[start : start + self.member_page]
            yield {"id": now.id, **own, "members@delta": part}

    def _page(self, call: Call, position: _Position) -> Reply:
        first, *rest = position.pages
        kind, name = ("$skiptoken", "nextLink") if rest else ("$deltatoken", "deltaLink")
        token = token_urlsafe(24)
        self._positions[token] = _Position(position.state, position.names, rest)
        context = f"{call.base}/{call.version}/$metadata#groups"
        if position.names != _DEFAULT:
            context += f"({','.join(sorted(position.names))})"
        body = {
            "@odata.context": context,
            f"@odata.{name}": f"{call.url}?{kind}={token}",
            "value": first,
        }
        return Reply(200, body)


def _names(call: Call) -> frozenset[str]:
    names = selected(call.options)
    return _DEFAULT if names is None else names


def _too_old(call: Call, status: int | None) -> GraphError:
    if status is None:
        return GraphError(400, "BadRequest", "Badly formed token.")
    if status == 400:
        return GraphError(400, "syncStateNotFound", "The sync state generation is not found.")
    location = f"{call.url}?$deltatoken="
    message = "Resync required: the specified delta token is too old."
    return GraphError(410, "resyncRequired", message, {"Location": location})
