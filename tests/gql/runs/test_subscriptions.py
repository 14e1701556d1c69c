"""Live updates of one run, and of the filtered list (H3)."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from domain.tenancy.models import SYSTEM
from domain.tenancy.roles import TenantRole
from gql.ids import GlobalId
from gql.runs import subscriptions as subscriptions_module
from tests.acts import save_scopes, write_policy
from tests.client import WEBSOCKET, Client
from tests.gql.api import RunningApi, work
from tests.gql.furnished import START, break_scope
from tests.gql.runs.watching import (
    LIFE,
    WATCH_RUN,
    WATCH_RUNS,
    changed,
    claim,
    cursor_at,
    fail,
    live,
    of_tenant,
    queue,
    succeed,
    versions,
)
from tests.world import World


@pytest.fixture
def client(api: RunningApi, world: World) -> Client:
    return api.member(world)


# From start to end


async def test_a_list_opened_before_the_start_shows_the_run_from_queue_to_end(
    world: World, client: Client, transport: str
) -> None:
    break_scope(world, broken=12)
    for number in range(20):
        write_policy(world, "broken", f"p{number}")
    await save_scopes(world, "broken")
    async with client.subscribe(transport, WATCH_RUNS, of_tenant(world)) as stream:
        reset = await stream.next()
        assert (reset["__typename"], reset["reason"], reset["runs"]) == (
            "FeedReset",
            "SUBSCRIBED",
            [],
        )
        answer = await client.data(START, input={"tenantId": world.global_id, "scopeKey": "broken"})
        run = answer["startInventorySync"]["run"]
        await work(world, run)
        events = await stream.until(
            lambda event: event["run"]["statusBucket"] not in ("QUEUED", "RUNNING")
        )
    assert [event["change"] for event in events] == ["ENTERED"] + ["UPDATED"] * (len(events) - 1)
    assert {event["run"]["id"] for event in events} == {run["id"]}
    assert [event["run"]["version"] for event in events] == [*range(1, len(events) + 1)]
    buckets = [event["run"]["statusBucket"] for event in events]
    assert buckets == ["QUEUED", *["RUNNING"] * (len(events) - 2), "PARTIALLY_SUCCEEDED"]
    counts = [event["run"]["counts"] for event in events]
    assert [count["processed"] for count in counts] == [0, 0, 0, 33, 33]
    assert [count["total"] for count in counts] == [None, None, 33, 33, 33]


async def test_a_stream_follows_a_run_to_its_end_and_completes(
    world: World, client: Client, transport: str
) -> None:
    run = await queue(world)
    async with client.subscribe(transport, WATCH_RUN, {"id": run}) as stream:
        snapshot = await stream.next()
        execution = await claim(world, run)
        await execution.set_total(3)
        await succeed(execution, "a")
        await fail(execution, "b", "c")
        await execution.finish()
        events = await stream.rest()
    assert (snapshot["kind"], snapshot["run"]["statusBucket"]) == (None, "QUEUED")
    assert versions(events) == LIFE[1:]
    assert [event["run"]["counts"]["processed"] for event in events] == [0, 0, 1, 3, 3]
    assert events[-1]["run"]["statusBucket"] == "PARTIALLY_SUCCEEDED"
    assert events[-1]["run"]["counts"] == {"total": 3, "processed": 3, "succeeded": 1, "failed": 2}


async def test_a_run_that_is_handed_back_continues_in_the_same_stream(
    world: World, client: Client
) -> None:
    run = await queue(world)
    async with client.subscribe(WEBSOCKET, WATCH_RUN, {"id": run}) as stream:
        await stream.next()
        await (await claim(world, run)).release(timedelta(0))
        await (await claim(world, run)).finish()
        events = await stream.rest()
    assert versions(events) == [
        (2, "STARTED"),
        (3, "REQUEUED"),
        (4, "STARTED"),
        (5, "FINISHED"),
    ]
    assert [event["run"]["attempt"] for event in events] == [1, 1, 2, 2]


async def test_the_stream_of_an_ended_run_sends_it_once_and_completes(
    world: World, client: Client, transport: str
) -> None:
    run = await live(world)
    async with client.subscribe(transport, WATCH_RUN, {"id": run}) as stream:
        (snapshot,) = await stream.rest()
    assert (snapshot["kind"], snapshot["run"]["version"]) == (None, 6)


async def test_an_unknown_run_of_the_users_tenant_is_not_found(
    world: World, client: Client, transport: str
) -> None:
    unknown = GlobalId("OperationRun", world.tenant_id, uuid4().hex).encode()
    async with client.subscribe(transport, WATCH_RUN, {"id": unknown}) as stream:
        assert await stream.failure() == "NOT_FOUND"


async def test_a_readonly_member_may_watch(api: RunningApi, world: World, transport: str) -> None:
    reader = api.member(world, TenantRole.READONLY)
    async with reader.subscribe(transport, WATCH_RUNS, of_tenant(world)) as stream:
        assert (await stream.next())["__typename"] == "FeedReset"


# Filters


async def test_a_run_enters_and_leaves_with_its_bucket(
    world: World, client: Client, transport: str
) -> None:
    running = of_tenant(world, filter={"statusBuckets": ["RUNNING"]})
    queued = of_tenant(world, filter={"statusBuckets": ["QUEUED", "SUCCEEDED"]})
    async with (
        client.subscribe(transport, WATCH_RUNS, running) as first,
        client.subscribe(transport, WATCH_RUNS, queued) as second,
    ):
        assert (await first.next())["runs"] == (await second.next())["runs"] == []
        run = await queue(world)
        execution = await claim(world, run)
        await execution.set_total(1)
        await execution.finish()
        seen = [changed(await first.next()) for _ in range(3)]
        assert seen == [("ENTERED", 2), ("UPDATED", 3), ("LEFT", 4)]
        seen = [changed(await second.next()) for _ in range(3)]
        assert seen == [("ENTERED", 1), ("LEFT", 2), ("ENTERED", 4)]


@pytest.mark.usefixtures("often")
async def test_only_runs_that_match_the_filter_are_sent(world: World, client: Client) -> None:
    ours = await world.start()
    initiator = GlobalId("Initiator", world.tenant_id, ours.run.initiator.id.hex).encode()
    system = GlobalId("Initiator", world.tenant_id, SYSTEM.id.hex).encode()
    moment = ours.run.created_at
    start, end = await cursor_at(world, 0), await cursor_at(world, 1)
    past, future = ((moment + timedelta(days=days)).isoformat() for days in (-1, 1))
    for filter_, expected in (
        ({"runTypes": ["inventory.sync"]}, True),
        ({"runTypes": ["drift.generate"]}, False),
        ({"initiatorIds": [initiator]}, True),
        ({"initiatorIds": [system]}, False),
        ({"createdFrom": past}, True),
        ({"createdFrom": past, "createdUntil": moment.isoformat()}, False),
        ({"createdUntil": future}, True),
    ):
        assert bool(await snapshot_of(client, world, filter_)) == expected
        variables = of_tenant(world, filter=filter_, after=start)
        async with client.subscribe(WEBSOCKET, WATCH_RUNS, variables) as stream:
            event = (await stream.until(lambda event: bool(event["cursor"] == end)))[-1]
        # A heartbeat with this cursor means that the event was skipped.
        assert event["__typename"] == ("OperationRunChanged" if expected else "FeedHeartbeat")


async def snapshot_of(client: Client, world: World, filter_: Any) -> list[Any]:
    variables = of_tenant(world, filter=filter_)
    async with client.subscribe(WEBSOCKET, WATCH_RUNS, variables) as stream:
        runs: list[Any] = (await stream.next())["runs"]
    return runs


async def test_a_snapshot_contains_the_newest_fifty_runs(
    world: World, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert subscriptions_module.SNAPSHOT_RUNS == 50
    monkeypatch.setattr(subscriptions_module, "SNAPSHOT_RUNS", 3)
    runs = [await queue(world) for _ in range(5)]
    snapshot = await snapshot_of(client, world, {"statusBuckets": ["QUEUED"]})
    assert [run["id"] for run in snapshot] == runs[:1:-1]


@pytest.mark.parametrize("selects", [True, False])
async def test_a_snapshots_runs_are_read_only_if_they_are_selected(
    api: RunningApi, world: World, client: Client, selects: bool
) -> None:
    run = await queue(world)
    query = WATCH_RUNS if selects else WATCH_RUNS.replace("runs { ...progress }", "")
    with api.statements() as statements:
        async with client.subscribe(WEBSOCKET, query, of_tenant(world)) as stream:
            await stream.next()
            # The cursor is that of the moment in any case.
            await claim(world, run)
            assert changed(await stream.next()) == ("UPDATED", 2)
    pages = [s for s in statements if "ORDER BY opsrun.operation_run.created_at" in s]
    assert bool(pages) == selects
