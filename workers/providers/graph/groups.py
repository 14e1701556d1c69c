"""Reads what changed in a tenant's groups: `groups/delta` of Microsoft Graph.

Microsoft: learn.microsoft.com/graph/delta-query-groups.
"""

import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from domain.groups.models import ChangePage, GroupChange, GroupMemberKind, PositionLostError
from domain.texts import is_storable
from workers.providers.graph.areas import Area
from workers.providers.graph.client import NEXT_LINK, GraphClient, members
from workers.providers.graph.failures import GraphError, unexpected

PATH = "v1.0/groups/delta"
_FIRST = f"{PATH}?$select=displayName,members"
_DELTA_LINK = "@odata.deltaLink"
_REMOVED = "@removed"
_MEMBERS = "members@delta"
_MAX_ID, _MAX_NAME = 100, 500
# The codes with which Graph says that a link is too old; it may also answer with status 410.
_TOO_OLD = frozenset({"syncstatenotfound", "directory_expiredpagetoken"})
_KINDS = {
    "user": GroupMemberKind.USER,
    "device": GroupMemberKind.DEVICE,
    "group": GroupMemberKind.GROUP,
    "serviceprincipal": GroupMemberKind.SERVICE_PRINCIPAL,
    "orgcontact": GroupMemberKind.CONTACT,
}


class GraphGroups:
    """Reads the changes of groups, page by page."""

    def __init__(self, client: GraphClient) -> None:
        self._client = client
        self.source = client.app
        """Identifies the app and its Entra tenant, to which positions belong."""
        self._seen: set[bytes] = set()

    async def page(self, path: str | None) -> ChangePage:
        """Return the page at a path that an earlier page named; the first one without a path.

        Raises:
            PositionLostError: Graph no longer knows the path.
            ProducerError: as `GraphClient.get` does.
        """
        try:
            body = await self._client.get(path or _FIRST, Area.GROUPS)
        except GraphError as error:
            if error.status == 410 or (error.status == 400 and error.code.lower() in _TOO_OLD):
                raise PositionLostError from None
            raise
        next_link, delta_link = body.get(NEXT_LINK), body.get(_DELTA_LINK)
        if (next_link is None) == (delta_link is None):
            raise unexpected(PATH, "does not say whether there is another page")
        url = urlsplit(self._client.own_link(next_link or delta_link, PATH))
        if url.path != f"/{PATH}" or not is_storable(url.query):
            raise unexpected(PATH, "links to something else")
        next_path = f"{PATH}?{url.query}"
        digest = hashlib.sha256(next_path.encode()).digest()
        if delta_link is None and digest in self._seen:
            raise unexpected(PATH, "links to a page that was read already")
        self._seen.add(digest)
        return ChangePage(_changes(body), next_path, is_last=delta_link is not None)


def _changes(body: Mapping[str, Any]) -> dict[str, GroupChange]:
    """Return what the page says, by group; of several entries, the later one is newer."""
    changes: dict[str, GroupChange] = {}
    for entry in members(body, PATH):
        key: Any = entry.get("id")
        if not _is_text(key, _MAX_ID):
            raise unexpected(PATH, "has a group without a valid id")
        change = changes.setdefault(key, GroupChange())
        try:
            _add(change, entry)
        except ValueError as error:
            change.failure = str(error)
    return changes


def _add(change: GroupChange, entry: Mapping[str, Any]) -> None:
    if _REMOVED in entry:
        change.is_present, change.was_removed = False, True
        change.members.clear()
        return
    change.is_present = True
    name, joined_or_left = entry.get("displayName"), entry.get(_MEMBERS, [])
    if name is not None:
        if not _is_text(name, _MAX_NAME):
            raise ValueError(f"The group's name is not a text of 1 to {_MAX_NAME} characters.")
        change.name = name
    for member in joined_or_left if isinstance(joined_or_left, list) else [None]:
        if not isinstance(member, dict) or not _is_text(member.get("id"), _MAX_ID):
            raise ValueError("A member of the group has no valid id.")
        change.members[member["id"]] = None if _REMOVED in member else _kind(member)


def _kind(member: Mapping[str, Any]) -> GroupMemberKind:
    name = str(member.get("@odata.type")).rpartition(".")[2].lower()
    return _KINDS.get(name, GroupMemberKind.OTHER)


def _is_text(value: object, longest: int) -> bool:
    return isinstance(value, str) and 0 < len(value) <= longest and is_storable(value)
