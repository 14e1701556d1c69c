"""The list of runs: pages, filters, facets and startable types."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from domain.drift.models import Comparison
from domain.runs.run_types import run_types
from domain.tenancy.roles import TenantRole
from gql.ids import GlobalId
from tests.client import Client
from tests.gql.api import RunningApi
from tests.gql.furnished import Furnished
from tests.gql.runs.watching import claim, fail, live, queue, succeed
from tests.world import World

LIST = """query ($tenant: ID!, $first: Int, $after: String, $last: Int, $before: String,
    $filter: OperationRunFilter) {
  tenant(id: $tenant) {
    operationRuns(first: $first, after: $after, last: $last, before: $before, filter: $filter) {
      edges { cursor node { id } }
      nodes { id runType statusBucket }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }
}"""
FACETS = """query ($tenant: ID!, $filter: OperationRunFilter) {
  tenant(id: $tenant) {
    operationRunFacets(filter: $filter) {
      byStatusBucket { statusBucket count } byRunType { runType count }
      byInitiator { initiator { actorId kind name } count } truncated createdFrom
    }
  }
}"""
BUCKETS = ["QUEUED", "RUNNING", "SUCCEEDED", "PARTIALLY_SUCCEEDED", "FAILED"]


@pytest.fixture
def client(api: RunningApi, world: World) -> Client:
    return api.member(world, TenantRole.READONLY)


async def page(client: Client, world: World, **arguments: Any) -> Any:
    data = await client.data(LIST, tenant=world.global_id, **arguments)
    runs = data["tenant"]["operationRuns"]
    assert [edge["node"]["id"] for edge in runs["edges"]] == ids(runs)
    info, cursors = runs["pageInfo"], [edge["cursor"] for edge in runs["edges"]]
    assert (info["startCursor"], info["endCursor"]) == (
        (cursors[0], cursors[-1]) if cursors else (None, None)
    )
    return runs


def ids(runs: Any) -> list[str]:
    return [run["id"] for run in runs["nodes"]]


def more(runs: Any) -> tuple[bool, bool]:
    """Return whether there are runs (before, after) the page."""
    return runs["pageInfo"]["hasPreviousPage"], runs["pageInfo"]["hasNextPage"]


async def refusal(client: Client, world: World, **arguments: Any) -> str:
    return (await client.ask(LIST, {"tenant": world.global_id, **arguments})).code


async def same_moment(world: World) -> None:
    """Give all runs the creation time of the newest."""
    await world.write(
        "UPDATE opsrun.operation_run SET created_at = (SELECT max(created_at) FROM"
        " opsrun.operation_run WHERE tenant_id = :tenant_id) WHERE tenant_id = :tenant_id"
    )


# Pages


async def test_the_newest_runs_come_first(world: World, client: Client) -> None:
    runs = [await queue(world) for _ in range(3)]
    assert ids(await page(client, world)) == runs[::-1]


async def test_a_tenant_without_runs_has_an_empty_page(world: World, client: Client) -> None:
    for arguments in ({}, {"last": 5}):
        runs = await page(client, world, **arguments)
        assert (ids(runs), more(runs)) == ([], (False, False))


@pytest.mark.parametrize("equal", [True, False])
async def test_pages_forward_contain_every_run_once(
    world: World, client: Client, equal: bool
) -> None:
    for _ in range(7):
        await queue(world)
    if equal:
        await same_moment(world)
    everything = ids(await page(client, world))
    assert len(set(everything)) == 7
    seen: list[str] = []
    runs = await page(client, world, first=3)
    assert more(runs) == (False, True)
    while True:
        seen += ids(runs)
        if not runs["pageInfo"]["hasNextPage"]:
            break
        runs = await page(client, world, first=3, after=runs["pageInfo"]["endCursor"])
        assert more(runs)[0]
    assert seen == everything


@pytest.mark.parametrize("equal", [True, False])
async def test_pages_backward_contain_every_run_once(
    world: World, client: Client, equal: bool
) -> None:
    for _ in range(7):
        await queue(world)
    if equal:
        await same_moment(world)
    everything = ids(await page(client, world))
    seen: list[str] = []
    runs = await page(client, world, last=3)
    assert more(runs) == (True, False)
    while True:
        seen = ids(runs) + seen
        if not runs["pageInfo"]["hasPreviousPage"]:
            break
        runs = await page(client, world, last=3, before=runs["pageInfo"]["startCursor"])
        assert more(runs)[1]
    assert seen == everything


async def test_a_page_continues_in_both_directions(world: World, client: Client) -> None:
    newest_first = [await queue(world) for _ in range(5)][::-1]
    first = await page(client, world, first=2)
    second = await page(client, world, first=2, after=first["pageInfo"]["endCursor"])
    back = await page(client, world, last=2, before=second["pageInfo"]["startCursor"])
    assert (ids(second), ids(back)) == (newest_first[2:4], ids(first))
    assert (more(second), more(back)) == ((True, True), (False, True))


async def test_before_alone_pages_backward_too(world: World, client: Client) -> None:
    newest_first = [await queue(world) for _ in range(4)][::-1]
    end = (await page(client, world))["pageInfo"]["endCursor"]
    before = """query ($tenant: ID!, $before: String) { tenant(id: $tenant) {
      operationRuns(before: $before) { nodes { id } } } }"""
    data = await client.data(before, tenant=world.global_id, before=end)
    assert ids(data["tenant"]["operationRuns"]) == newest_first[:3]
    assert ids(await page(client, world, first=2, before=end)) == newest_first[1:3]


async def test_an_empty_page_shows_whether_there_is_more(world: World, client: Client) -> None:
    assert more(await page(client, world, first=0)) == (False, False)
    await queue(world)
    assert more(await page(client, world, first=0)) == (False, True)
    assert more(await page(client, world, last=0)) == (True, False)


async def test_a_new_run_does_not_shift_the_next_page(world: World, client: Client) -> None:
    newest_first = [await queue(world) for _ in range(4)][::-1]
    first = await page(client, world, first=2)
    await queue(world)
    second = await page(client, world, first=2, after=first["pageInfo"]["endCursor"])
    assert ids(second) == newest_first[2:]


async def test_a_page_has_25_runs_by_default_and_at_most_100(world: World, client: Client) -> None:
    for _ in range(26):
        await queue(world)
    plain = "query ($tenant: ID!) { tenant(id: $tenant) { operationRuns { nodes { id } } } }"
    data = await client.data(plain, tenant=world.global_id)
    assert len(ids(data["tenant"]["operationRuns"])) == 25
    assert len(ids(await page(client, world, first=None))) == 25
    assert len(ids(await page(client, world, first=100))) == 26
    assert len(ids(await page(client, world, last=100))) == 26


async def test_an_impossible_page_is_refused(world: World, client: Client) -> None:
    for direction, cursor in (("first", "after"), ("last", "before")):
        assert await refusal(client, world, **{direction: 101}) == "LIMIT_EXCEEDED"
        assert await refusal(client, world, **{direction: -1}) == "BAD_USER_INPUT"
        garbage = {direction: 1, cursor: "garbage"}
        assert await refusal(client, world, **garbage) == "BAD_USER_INPUT"


async def test_a_page_has_one_direction(world: World, client: Client) -> None:
    await queue(world)
    cursor = (await page(client, world))["pageInfo"]["startCursor"]
    assert await refusal(client, world, after=cursor, last=1) == "BAD_USER_INPUT"
    assert await refusal(client, world, after=cursor, before=cursor) == "BAD_USER_INPUT"


# The window


async def age(world: World, run: str, days: float) -> None:
    await world.write(
        "UPDATE opsrun.operation_run SET created_at = now() - make_interval(secs => :seconds)"
        " WHERE tenant_id = :tenant_id AND id = :id",
        seconds=days * 86400,
        id=GlobalId.decode(run).uuid_key(),
    )


async def test_the_list_looks_back_30_days_by_default(world: World, client: Client) -> None:
    old, recent, new = [await queue(world) for _ in range(3)]
    await age(world, old, 30.1)
    await age(world, recent, 29.9)
    assert ids(await page(client, world)) == [new, recent]
    assert sum((await counted(client, world))[0].values()) == 2
    since = (datetime.now(UTC) - timedelta(days=40)).isoformat()
    assert ids(await page(client, world, filter={"createdFrom": since})) == [new, recent, old]
    assert sum((await counted(client, world, {"createdFrom": since}))[0].values()) == 3


async def test_facets_show_the_start_of_their_window(world: World, client: Client) -> None:
    data = await client.data(FACETS, tenant=world.global_id)
    begins = datetime.fromisoformat(data["tenant"]["operationRunFacets"]["createdFrom"])
    assert abs(datetime.now(UTC) - timedelta(days=30) - begins) < timedelta(minutes=1)


# Filters and facets


async def counted(
    client: Client, world: World, filter_: Mapping[str, Any] | None = None
) -> tuple[dict[str, int], dict[str, int]]:
    data = await client.data(FACETS, tenant=world.global_id, filter=filter_)
    facets = data["tenant"]["operationRunFacets"]
    assert facets["truncated"] is False
    assert [count["statusBucket"] for count in facets["byStatusBucket"]] == BUCKETS
    return (
        {count["statusBucket"]: count["count"] for count in facets["byStatusBucket"]},
        {count["runType"]: count["count"] for count in facets["byRunType"]},
    )


async def variety(world: World) -> dict[str, str]:
    """Create an inventory.sync run in every bucket, and a queued run of another type."""
    runs = {"QUEUED": await queue(world), "PARTIALLY_SUCCEEDED": await live(world)}
    for bucket in ("RUNNING", "SUCCEEDED", "FAILED"):
        runs[bucket] = await queue(world)
        execution = await claim(world, runs[bucket])
        if bucket == "SUCCEEDED":
            await execution.set_total(1)
            await succeed(execution, "a")
        if bucket == "FAILED":
            await fail(execution, "a")
        if bucket != "RUNNING":
            await execution.finish()
    context = Comparison("servers", uuid4(), uuid4()).context
    started = await world.starter.start(
        await world.access(TenantRole.MANAGER),
        resource="drift",
        action="generate",
        subject="servers",
        context=context,
    )
    runs["drift"] = GlobalId("OperationRun", world.tenant_id, started.run.id.hex).encode()
    return runs


async def test_every_filter_applies_to_the_list_and_the_facets(
    world: World, client: Client
) -> None:
    runs = await variety(world)
    syncs = {bucket: run for bucket, run in runs.items() if bucket != "drift"}
    manager = GlobalId(
        "Initiator", world.tenant_id, world.members[TenantRole.MANAGER].id.hex
    ).encode()
    unknown = GlobalId("Initiator", world.tenant_id, uuid4().hex).encode()
    cases: list[tuple[Any, set[str]]] = [
        (None, set(runs.values())),
        ({}, set(runs.values())),
        ({"runTypes": ["inventory.sync"]}, set(syncs.values())),
        ({"runTypes": ["drift.generate"]}, {runs["drift"]}),
        ({"runTypes": ["drift.generate", "inventory.sync"]}, set(runs.values())),
        ({"runTypes": ["nothing.such"]}, set()),
        ({"runTypes": []}, set(runs.values())),
        *(({"statusBuckets": [b]}, {syncs[b]}) for b in BUCKETS[1:]),
        ({"statusBuckets": ["QUEUED"]}, {runs["QUEUED"], runs["drift"]}),
        ({"statusBuckets": ["FAILED", "RUNNING"]}, {runs["FAILED"], runs["RUNNING"]}),
        ({"statusBuckets": ["QUEUED"], "runTypes": ["drift.generate"]}, {runs["drift"]}),
        ({"statusBuckets": ["FAILED"], "runTypes": ["drift.generate"]}, set()),
        ({"initiatorIds": [manager]}, {runs["drift"]}),
        ({"initiatorIds": [manager, unknown]}, {runs["drift"]}),
        ({"initiatorIds": [unknown]}, set()),
        ({"runTypes": None, "statusBuckets": None, "initiatorIds": None}, set(runs.values())),
    ]
    for filter_, expected in cases:
        listed = await page(client, world, filter=filter_)
        assert set(ids(listed)) == expected, filter_
        buckets, types = await counted(client, world, filter_)
        assert buckets == {b: tally(listed, "statusBucket", b) for b in BUCKETS}, filter_
        assert types == {t: tally(listed, "runType", t) for t in types}, filter_
        assert sum(types.values()) == len(expected)


async def test_initiators_of_the_facets_are_valid_in_the_filter(
    world: World, client: Client
) -> None:
    await variety(world)
    data = await client.data(FACETS, tenant=world.global_id)
    facets = data["tenant"]["operationRunFacets"]["byInitiator"]
    names = [world.members[role].name for role in (TenantRole.OPERATOR, TenantRole.MANAGER)]
    assert [(each["initiator"]["name"], each["count"]) for each in facets] == [
        (names[0], 5),
        (names[1], 1),
    ]
    for each in facets:
        assert each["initiator"]["kind"] == "USER"
        listed = await page(client, world, filter={"initiatorIds": [each["initiator"]["actorId"]]})
        assert len(ids(listed)) == each["count"]


def tally(listed: Any, field: str, value: str) -> int:
    return sum(1 for run in listed["nodes"] if run[field] == value)


async def test_a_filter_applies_to_every_page(world: World, client: Client) -> None:
    runs = [await queue(world) for _ in range(6)]
    for run in runs[::2]:
        await claim(world, run)
    filter_ = {"statusBuckets": ["RUNNING"]}
    first = await page(client, world, first=2, filter=filter_)
    cursor = first["pageInfo"]["endCursor"]
    second = await page(client, world, first=2, after=cursor, filter=filter_)
    assert ids(first) + ids(second) == runs[::2][::-1]
    assert more(second) == (True, False)


# Types that the caller may start


@pytest.mark.parametrize("role", TenantRole)
@pytest.mark.parametrize(
    "run_type", ["inventory.sync", "drift.generate", "backup_set.add_policies", "no.such"]
)
async def test_the_caller_sees_which_types_they_may_start_and_why_not(
    api: RunningApi, ours: Furnished, role: TenantRole, run_type: str
) -> None:
    query = """query ($tenant: ID!, $type: String!) {
      tenant(id: $tenant) { viewerCanStart(runType: $type) { allowed reason } } }"""
    client = api.member(ours.world, role)
    data = await client.data(query, tenant=ours.ids["Tenant"], type=run_type)
    permission = data["tenant"]["viewerCanStart"]
    declared = run_types().get(run_type)
    least = declared.least_role if declared else None
    assert permission["allowed"] == (least is not None and role.rank >= least.rank)
    assert bool(permission["reason"]) != permission["allowed"]
    if least is None:
        assert permission["reason"] == f"Unknown run type '{run_type}'."
    elif not permission["allowed"]:
        assert role in permission["reason"]
        assert least in permission["reason"]
