"""A client that applies delta's answers in their order has the groups of the double."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.graph import Double, graph_double
from tests.graph.client import read_all, signed_in
from tests.graph.groups import Group, Member
from tests.graph.histories import History, new_groups

DELTA = "/v1.0/groups/delta?$select=displayName,members"
CROWD = [Member(f"user-{number:02}") for number in range(12)]


@pytest.fixture
async def double() -> AsyncIterator[Double]:
    async with graph_double(group_page=3, member_page=2) as double:
        yield double


@pytest.fixture
async def http(double: Double) -> AsyncIterator[httpx.AsyncClient]:
    async with signed_in(double) as http:
        yield http


class Mirror:
    """Groups as a client of delta knows them."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self.groups: dict[str, Group] = {}
        self.link = DELTA
        self.pages: list[list[Any]] = []

    async def sync(self) -> None:
        """Read from the last link to the next deltaLink."""
        self.pages, link = [], self.link
        while link:
            answer = await self._http.get(link)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            self.pages.append(page["value"])
            for entry in page["value"]:
                self._apply(entry)
            link = page.get("@odata.nextLink")
        self.link = page["@odata.deltaLink"]

    def _apply(self, entry: dict[str, Any]) -> None:
        if "@removed" in entry:
            assert entry["@removed"]["reason"] in ("changed", "deleted")
            self.groups.pop(entry["id"], None)
            return
        known = self.groups.get(entry["id"], Group(entry["id"], ""))
        members = {*known.members}
        for change in entry.get("members@delta", ()):
            member = Member(change["id"], change["@odata.type"].rpartition(".")[2])
            if "@removed" in change:
                members.discard(member)
            else:
                members.add(member)
        self.groups[entry["id"]] = Group(entry["id"], entry["displayName"], frozenset(members))


@pytest.mark.parametrize("seed", range(25))
async def test_a_random_history_is_followed(
    double: Double, http: httpx.AsyncClient, seed: int
) -> None:
    history, mirror = History(double.groups, seed), Mirror(http)
    for _ in range(12):
        history.step(6)
        await mirror.sync()
        assert mirror.groups == double.groups.present()
        if seed % 5 == 0:
            # A client may read a page again.
            before = mirror.link
            await mirror.sync()
            mirror.link = before
    again = Mirror(http)
    await again.sync()
    assert again.groups == double.groups.present()


async def test_members_come_in_parts_over_several_pages(
    double: Double, http: httpx.AsyncClient
) -> None:
    ids = {double.groups.put(f"Group {number}", CROWD) for number in range(4)}
    mirror = Mirror(http)
    await mirror.sync()
    pages_of = {
        key: [
            number for number, page in enumerate(mirror.pages) for one in page if one["id"] == key
        ]
        for key in ids
    }
    assert all(len(pages) >= 6 for pages in pages_of.values())
    assert any(len({*pages}) > 1 for pages in pages_of.values())
    assert max(len(page) for page in mirror.pages) == 3
    entries = [entry for page in mirror.pages for entry in page]
    assert max(len(entry["members@delta"]) for entry in entries) == 2
    # Some entries come twice.
    assert len(entries) > 4 * 6


async def test_some_pages_are_empty(double: Double, http: httpx.AsyncClient) -> None:
    new_groups(double.groups, 30)
    mirror = Mirror(http)
    await mirror.sync()
    assert [] in mirror.pages
    assert mirror.groups == double.groups.present()


async def test_only_what_changed_comes_after_the_delta_link(
    double: Double, http: httpx.AsyncClient
) -> None:
    groups, mirror = double.groups, Mirror(http)
    kept, changed, renamed, soft, gone = [groups.put(name, CROWD[:1]) for name in "kcrsg"]
    await mirror.sync()
    groups.add_members(changed, CROWD[1:2])
    groups.remove_members(changed, CROWD[:1])
    groups.rename(renamed, "new")
    groups.delete(soft)
    groups.delete(gone, forever=True)
    await mirror.sync()
    entries = {entry["id"]: entry for page in mirror.pages for entry in page}
    assert kept not in entries
    assert entries[renamed] == {"id": renamed, "displayName": "new"}
    assert entries[soft] == {"id": soft, "@removed": {"reason": "changed"}}
    assert entries[gone] == {"id": gone, "@removed": {"reason": "deleted"}}
    assert mirror.groups[changed].members == {CROWD[1]}
    groups.restore(soft)
    await mirror.sync()
    assert mirror.groups[soft].members == {CROWD[0]}
    await mirror.sync()
    assert mirror.pages == [[]]


async def test_a_soft_deleted_group_that_is_purged_comes_again(
    double: Double, http: httpx.AsyncClient
) -> None:
    group, mirror = double.groups.put("Group"), Mirror(http)
    await mirror.sync()
    for forever, reason in ((False, "changed"), (True, "deleted")):
        double.groups.delete(group, forever=forever)
        await mirror.sync()
        assert mirror.pages[-1] == [{"id": group, "@removed": {"reason": reason}}]


async def test_changes_during_a_sync_come_with_the_next_one(
    double: Double, http: httpx.AsyncClient
) -> None:
    new_groups(double.groups, 10)
    first = (await http.get(DELTA)).json()
    new = double.groups.put("Late", CROWD)
    rest, link = [], first["@odata.nextLink"]
    while link:
        page = (await http.get(link)).json()
        rest += page["value"]
        link = page.get("@odata.nextLink")
    assert new not in {entry["id"] for entry in rest}
    mirror = Mirror(http)
    mirror.link = page["@odata.deltaLink"]
    await mirror.sync()
    assert mirror.groups == {new: double.groups.by_id[new]}


@pytest.mark.parametrize(("status", "code"), [(410, "resyncRequired"), (400, "syncStateNotFound")])
async def test_an_old_link_leads_to_a_full_sync(
    double: Double, http: httpx.AsyncClient, status: int, code: str
) -> None:
    new_groups(double.groups, 10)
    first = (await http.get(DELTA)).json()["@odata.nextLink"]
    mirror = Mirror(http)
    await mirror.sync()
    double.deltas.expire(status)
    for link in (first, mirror.link):
        answer = await http.get(link)
        assert answer.status_code == status
        assert answer.json()["error"]["code"] == code
    if status == 410:
        answer = await http.get(f"{answer.headers['Location']}&$select=displayName,members")
        assert answer.status_code == 200
    again = Mirror(http)
    await again.sync()
    assert again.groups == double.groups.present()


async def test_delta_takes_only_select(double: Double, http: httpx.AsyncClient) -> None:
    double.groups.put("Group", CROWD[:1])
    for option in ("$expand=members", "$top=5", "$filter=displayName eq 'Group'"):
        assert (await http.get(f"/v1.0/groups/delta?{option}")).status_code == 400
    (entry,) = (await http.get("/v1.0/groups/delta?$select=members")).json()["value"]
    assert entry.keys() == {"id", "members@delta"}
    (entry,) = (await http.get("/v1.0/groups/delta?$select=displayName")).json()["value"]
    assert entry.keys() == {"id", "displayName"}
    latest = (await http.get(f"{DELTA}&$deltatoken=latest")).json()
    assert latest["value"] == []
    mirror = Mirror(http)
    mirror.link = latest["@odata.deltaLink"]
    await mirror.sync()
    assert mirror.pages == [[]]


async def test_groups_can_be_listed_and_read(double: Double, http: httpx.AsyncClient) -> None:
    new_groups(double.groups, 5)
    big = double.groups.put("Big", [Member(f"user-{number}") for number in range(130)])
    gone = double.groups.put("Gone")
    double.groups.delete(gone)
    listed = await read_all(http, "/v1.0/groups?$select=id,displayName&$top=2")
    assert {one["id"]: one["displayName"] for one in listed} == {
        key: group.name for key, group in double.groups.present().items()
    }
    assert (await http.get(f"/v1.0/groups/{big}")).json()["displayName"] == "Big"
    assert len(await read_all(http, f"/v1.0/groups/{big}/members")) == 130
    answer = await http.get(f"/v1.0/groups/{gone}")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "Request_ResourceNotFound"
