"""The groups of a tenant and their members, and the answers below `/groups` except for delta."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import uuid4

from tests.graph.calls import Call, Reply
from tests.graph.errors import GraphError, no_segment
from tests.graph.options import matches, require_known, selected, top
from tests.graph.pages import page, resume

_OPTIONS = frozenset({"$select", "$top", "$filter", "$skiptoken"})
_MOST = 999


class Member(NamedTuple):
    """A member of a group: a user, device, group or servicePrincipal."""

    id: str
    kind: str = "user"

    def entity(self) -> dict[str, Any]:
        """Return the member in Graph's form."""
        return {"@odata.type": f"#microsoft.graph.{self.kind}", "id": self.id}


class Presence(StrEnum):
    """Whether a group exists; the values of the others are delta's reasons."""

    PRESENT = "present"
    SOFT_DELETED = "changed"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Group:
    """A group at one moment."""

    id: str
    name: str
    members: frozenset[Member] = frozenset()
    presence: Presence = Presence.PRESENT

    def properties(self) -> dict[str, Any]:
        """Return the group in Graph's form."""
        return {
            "id": self.id,
            "displayName": self.name,
            "description": None,
            "groupTypes": [],
            "mailEnabled": False,
            "securityEnabled": True,
        }


@dataclass(slots=True)
class Groups:
    """All groups that ever existed, by id; a group is replaced, never changed in place."""

    by_id: dict[str, Group] = field(default_factory=dict)

    def put(self, name: str, members: Iterable[Member] = (), *, group_id: str | None = None) -> str:
        """Add a group, or give an existing one this name and these members; return its id."""
        group = Group(group_id or str(uuid4()), name, frozenset(members))
        self.by_id[group.id] = group
        return group.id

    def rename(self, group_id: str, name: str) -> None:
        """Change the group's name."""
        self.by_id[group_id] = replace(self.by_id[group_id], name=name)

    def add_members(self, group_id: str, members: Iterable[Member]) -> None:
        """Add these members to the group."""
        group = self.by_id[group_id]
        self.by_id[group_id] = replace(group, members=group.members | {*members})

    def remove_members(self, group_id: str, members: Iterable[Member]) -> None:
        """Remove these members from the group."""
        group = self.by_id[group_id]
        self.by_id[group_id] = replace(group, members=group.members - {*members})

    def delete(self, group_id: str, *, forever: bool = False) -> None:
        """Delete the group: softly, so that `restore` brings it back, or for good."""
        presence = Presence.DELETED if forever else Presence.SOFT_DELETED
        self.by_id[group_id] = replace(self.by_id[group_id], presence=presence)

    def restore(self, group_id: str) -> None:
        """Bring a softly deleted group back, with its members."""
        self.by_id[group_id] = replace(self.by_id[group_id], presence=Presence.PRESENT)

    def present(self) -> Mapping[str, Group]:
        """Return the groups that exist now: what a sync must have stored."""
        return {
            key: group for key, group in self.by_id.items() if group.presence is Presence.PRESENT
        }

    def answer(self, call: Call) -> Reply:
        """Return the answer to `/groups`, `/groups/ID` or `/groups/ID/members`.

        Raises:
            GraphError: the path or its options are not supported, or the group does not exist.
        """
        offset = resume(call)
        require_known(call.options, _OPTIONS)
        context = f"{call.base}/{call.version}/$metadata#groups"
        if len(call.path) == 1:
            is_match = matches(call.options)
            groups = [group.properties() for group in self.present().values()]
            return _page(call, offset, context, [one for one in groups if is_match(one)])
        group = self.by_id.get(call.path[1])
        if group is None or group.presence is not Presence.PRESENT:
            raise _not_found(call.path[1])
        if len(call.path) == 2:
            body = _selected(group.properties(), call.options)
            return Reply(200, {"@odata.context": f"{context}/$entity", **body})
        if call.path[2:] != ("members",):
            raise no_segment(call.path[2])
        members = [member.entity() for member in sorted(group.members)]
        return _page(
            call, offset, f"{call.base}/{call.version}/$metadata#directoryObjects", members
        )


def _page(call: Call, offset: int, context: str, items: list[dict[str, Any]]) -> Reply:
    size = top(call.options, _MOST) if "$top" in call.options else 100
    some, next_link = page(call.url, call.options, items, offset, size)
    value = [_selected(item, call.options) for item in some]
    body: dict[str, Any] = {"@odata.context": context, "value": value}
    if next_link is not None:
        body["@odata.nextLink"] = next_link
    return Reply(200, body)


def _selected(entity: Mapping[str, Any], options: Mapping[str, str]) -> dict[str, Any]:
    names = selected(options)
    if names is None:
        return dict(entity)
    return {key: value for key, value in entity.items() if key in names or "@" in key}


def _not_found(group_id: str) -> GraphError:
    return GraphError(
        404,
        "Request_ResourceNotFound",
        f"Resource '{group_id}' does not exist or one of its queried reference-property objects"
        " are not present.",
    )
