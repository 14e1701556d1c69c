"""A page of `groups/delta` becomes changes, and a strange one a failure without its link."""

from collections.abc import Mapping
from typing import Any

import pytest

from domain.groups.models import GroupChange, GroupMemberKind, PositionLostError
from domain.runs.failures import FailureReason, ProducerError
from workers.providers.graph.failures import refused
from workers.providers.graph.groups import PATH, GraphGroups

BASE = "https://graph.example"
NEXT = f"{BASE}/{PATH}?$skiptoken=next-canary"
DELTA = f"{BASE}/{PATH}?$deltatoken=delta-canary"


class FakeClient:
    """Answers with these pages in their order, or raises these errors."""

    def __init__(self, *answers: Mapping[str, Any] | Exception) -> None:
        self.answers = [*answers]
        self.paths: list[str] = []

    app = "an app"

    async def get(self, path: str, _area: object) -> Mapping[str, Any]:
        self.paths.append(path)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def own_link(self, link: object, _path: str) -> str:
        assert isinstance(link, str)
        return link


def reader(*answers: Mapping[str, Any] | Exception) -> tuple[GraphGroups, FakeClient]:
    client = FakeClient(*answers)
    return GraphGroups(client), client  # type: ignore[arg-type]


def page(*entries: Any, **links: str) -> dict[str, Any]:
    links = links or {"deltaLink": DELTA}
    return {"value": [*entries], **{f"@odata.{name}": link for name, link in links.items()}}


def member(id_: str, kind: str = "user") -> dict[str, Any]:
    return {"@odata.type": f"#microsoft.graph.{kind}", "id": id_}


async def changes(*entries: Any) -> Mapping[str, GroupChange]:
    groups, _ = reader(page(*entries))
    return (await groups.page(None)).changes


async def test_each_link_is_followed_by_its_query_alone() -> None:
    groups, client = reader(page(nextLink=NEXT), page(deltaLink=DELTA))
    first = await groups.page(None)
    assert (first.is_last, first.next_path) == (False, f"{PATH}?$skiptoken=next-canary")
    last = await groups.page(first.next_path)
    assert (last.is_last, last.next_path) == (True, f"{PATH}?$deltatoken=delta-canary")
    assert client.paths == [f"{PATH}?$select=displayName,members", first.next_path]


async def test_the_entries_of_a_group_are_joined_in_their_order() -> None:
    joined = await changes(
        {"id": "g", "displayName": "Old", "members@delta": [member("a"), member("b", "device")]},
        {"id": "g", "displayName": "New", "members@delta": [{**member("a"), "@removed": {}}]},
        {"id": "g", "members@delta": [member("c", "servicePrincipal")]},
    )
    assert joined == {
        "g": GroupChange(
            name="New",
            members={
                "a": None,
                "b": GroupMemberKind.DEVICE,
                "c": GroupMemberKind.SERVICE_PRINCIPAL,
            },
        )
    }


@pytest.mark.parametrize("reason", ["changed", "deleted"])
async def test_a_removed_group_loses_its_members_and_may_come_back(reason: str) -> None:
    removed = {"id": "g", "@removed": {"reason": reason}}
    filled = {"id": "g", "displayName": "G", "members@delta": [member("a")]}
    gone = (await changes(filled, removed))["g"]
    assert (gone.is_present, gone.was_removed, gone.members) == (False, True, {})
    back = (await changes(removed, filled))["g"]
    assert (back.is_present, back.was_removed, back.members) == (
        True,
        True,
        {"a": GroupMemberKind.USER},
    )


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("user", GroupMemberKind.USER),
        ("group", GroupMemberKind.GROUP),
        ("orgContact", GroupMemberKind.CONTACT),
        ("somethingNew", GroupMemberKind.OTHER),
    ],
)
async def test_the_kind_of_a_member_comes_from_its_type(
    kind: str, expected: GroupMemberKind
) -> None:
    change = (await changes({"id": "g", "members@delta": [member("a", kind)]}))["g"]
    assert change.members == {"a": expected}


@pytest.mark.parametrize(
    "entry",
    [
        {"displayName": ""},
        {"displayName": 7},
        {"displayName": "x" * 501},
        {"displayName": "nul\x00"},
        {"members@delta": "all"},
        {"members@delta": ["a"]},
        {"members@delta": [{"@odata.type": "#microsoft.graph.user"}]},
        {"members@delta": [member("\x00")]},
    ],
)
async def test_a_group_that_cannot_be_stored_has_a_failure(entry: dict[str, Any]) -> None:
    both = await changes({"id": "bad", **entry}, {"id": "good", "displayName": "Good"})
    assert both["bad"].failure
    assert both["good"].failure is None


@pytest.mark.parametrize(
    "answer",
    [
        {"value": []},
        page(nextLink=NEXT, deltaLink=DELTA),
        page(nextLink=f"{BASE}/v1.0/users/delta?$skiptoken=next-canary"),
        page(nextLink=f"{NEXT}\x00"),
        page({"displayName": "no id"}),
        page({"id": ""}),
        page({"id": "x" * 101}),
        page("text"),
        {**page(), "value": {}},
    ],
)
async def test_a_strange_page_is_a_failure_that_does_not_show_its_link(
    answer: dict[str, Any],
) -> None:
    groups, _ = reader(answer)
    with pytest.raises(ProducerError) as caught:
        await groups.page(None)
    assert caught.value.reason == FailureReason.PROVIDER_UNAVAILABLE
    assert "canary" not in caught.value.message


async def test_a_link_to_a_page_that_was_read_is_refused() -> None:
    other = NEXT.replace("next", "other")
    groups, _ = reader(page(nextLink=NEXT), page(nextLink=other), page(nextLink=NEXT))
    await groups.page(None)
    await groups.page("a")
    with pytest.raises(ProducerError, match="read already"):
        await groups.page("b")


async def test_the_same_delta_link_may_come_again() -> None:
    groups, _ = reader(page(), page())
    first = await groups.page(None)
    assert await groups.page(first.next_path) == first


@pytest.mark.parametrize(
    ("status", "code", "is_lost"),
    [
        (410, "anything", True),
        (400, "syncStateNotFound", True),
        (400, "Directory_ExpiredPageToken", True),
        (400, "BadRequest", False),
        (404, "syncStateNotFound", False),
        (403, "Authorization_RequestDenied", False),
    ],
)
async def test_only_a_link_that_is_too_old_loses_the_position(
    status: int, code: str, is_lost: bool
) -> None:
    groups, _ = reader(refused(PATH, status, code, "request"))
    with pytest.raises(PositionLostError if is_lost else ProducerError) as caught:
        await groups.page(f"{PATH}?$deltatoken=delta-canary")
    assert "canary" not in str(caught.value)
