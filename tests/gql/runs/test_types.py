"""The fields, failures and timeline of a run."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from domain.runs.failures import FailureReason, ProducerError
from domain.tenancy.models import SYSTEM_INITIATOR_ID
from domain.tenancy.roles import TenantRole
from gql.ids import GlobalId
from tests.client import Client
from tests.gql.api import PUBLIC_URL, RunningApi
from tests.gql.runs.watching import LIFE, claim, fail, live, queue, succeed
from tests.world import World

RUN = """query ($id: ID!) { node(id: $id) { ... on OperationRun {
  id runType resource action subject status statusBucket statusExplanation progress
  context attempt version counts { total processed succeeded failed skipped }
  initiator { actorId kind name } createdAt startedAt finishedAt expiresAt
  queuedSeconds runningSeconds url failureCount tenant { id slug name viewerRole retentionDays }
} } }"""
FAILURES = """query ($id: ID!, $first: Int, $after: String, $reasons: [String!]) {
  node(id: $id) { ... on OperationRun {
    failures(first: $first, after: $after, reasonCodes: $reasons) {
      edges { cursor }
      nodes { itemKey reasonCode message retryable errorId attempt occurredAt }
      pageInfo { hasNextPage hasPreviousPage endCursor }
    }
    failureCount failureGroups { reasonCode count retryable exampleMessage }
  } }
}"""
SKIPPED = """query ($id: ID!, $first: Int, $after: String) {
  node(id: $id) { ... on OperationRun { skippedItems(first: $first, after: $after) {
    nodes { itemKey reason } pageInfo { hasNextPage endCursor }
  } } }
}"""
EVENTS = """query ($id: ID!, $first: Int, $after: String) {
  node(id: $id) { ... on OperationRun { events(first: $first, after: $after) {
    nodes { kind version statusBucket attempt counts { total processed } occurredAt }
    pageInfo { hasNextPage hasPreviousPage endCursor }
  } } }
}"""


@pytest.fixture
def client(api: RunningApi, world: World) -> Client:
    return api.member(world, TenantRole.READONLY)


async def read(client: Client, run: str) -> Any:
    return (await client.data(RUN, id=run))["node"]


async def skipped(client: Client, run: str, **arguments: Any) -> Any:
    return (await client.data(SKIPPED, id=run, **arguments))["node"]["skippedItems"]


async def failures(client: Client, run: str, **arguments: Any) -> Any:
    return (await client.data(FAILURES, id=run, **arguments))["node"]


async def timeline(client: Client, run: str, **arguments: Any) -> Any:
    return (await client.data(EVENTS, id=run, **arguments))["node"]["events"]


# Fields


async def test_a_queued_run_has_its_fields(world: World, client: Client) -> None:
    started = await world.start({"scopeKey": "servers"})
    run = await read(client, GlobalId("OperationRun", world.tenant_id, started.run.id.hex).encode())
    operator = world.members[TenantRole.OPERATOR]
    assert run | {"createdAt": "", "queuedSeconds": 0} == {
        "id": run["id"],
        "runType": "inventory.sync",
        "resource": "inventory",
        "action": "sync",
        "subject": "servers",
        "status": "pending",
        "statusBucket": "QUEUED",
        "statusExplanation": "Waiting for a worker.",
        "progress": None,
        "context": {"scopeKey": "servers"},
        "attempt": 0,
        "version": 1,
        "counts": {"total": None, "processed": 0, "succeeded": 0, "failed": 0, "skipped": 0},
        "initiator": {
            "actorId": GlobalId("Initiator", world.tenant_id, operator.id.hex).encode(),
            "kind": "USER",
            "name": operator.name,
        },
        "createdAt": "",
        "startedAt": None,
        "finishedAt": None,
        "expiresAt": None,
        "queuedSeconds": 0,
        "runningSeconds": None,
        "url": f"{PUBLIC_URL}/t/{world.slug}/operations/{run['id']}",
        "failureCount": 0,
        "tenant": {
            "id": world.global_id,
            "slug": world.slug,
            "name": f"Tenant {world.slug}",
            "viewerRole": "READONLY",
            "retentionDays": 90,
        },
    }
    assert run["createdAt"].endswith("Z")
    assert run["queuedSeconds"] >= 0


async def test_skipped_items_have_reasons_and_pages(world: World, client: Client) -> None:
    id_ = await queue(world)
    execution = await claim(world, id_)
    async with execution.batch() as batch:
        batch.succeeded("d")
        for item in "cab":
            batch.skipped(item, f"{item} is there; password=hunter2")
    first = await skipped(client, id_, first=2)
    rest = await skipped(client, id_, first=2, after=first["pageInfo"]["endCursor"])
    assert [first["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasNextPage"]] == [True, False]
    assert first["nodes"] + rest["nodes"] == [
        {"itemKey": item, "reason": f"{item} is there; password=[redacted:password]"}
        for item in "abc"
    ]


async def test_a_running_and_an_ended_run_have_their_fields(world: World, client: Client) -> None:
    id_ = await queue(world)
    execution = await claim(world, id_)
    await execution.set_total(4)
    async with execution.batch() as batch:
        batch.succeeded("a")
        batch.skipped("b", "b is there already.")
    await fail(execution, "c")
    running = await read(client, id_)
    await execution.finish()
    ended = await read(client, id_)
    assert (running["status"], running["statusBucket"]) == ("running", "RUNNING")
    assert (running["progress"], running["attempt"], running["version"]) == (0.75, 1, 5)
    assert running["counts"] == {
        "total": 4,
        "processed": 3,
        "succeeded": 1,
        "failed": 1,
        "skipped": 1,
    }
    assert (running["finishedAt"], running["expiresAt"]) == (None, None)
    assert (ended["status"], ended["statusBucket"]) == (
        "completed_with_errors",
        "PARTIALLY_SUCCEEDED",
    )
    assert ended["statusExplanation"] == "Completed with errors; some items succeeded."
    created, started, finished, expires = (
        datetime.fromisoformat(ended[f"{name}At"])
        for name in ("created", "started", "finished", "expires")
    )
    assert created < started < finished
    assert expires == finished + timedelta(days=90)
    assert ended["queuedSeconds"] == pytest.approx((started - created).total_seconds())
    assert ended["runningSeconds"] == pytest.approx((finished - started).total_seconds())
    assert running["runningSeconds"] < ended["runningSeconds"]


async def test_a_run_without_items_is_complete_at_its_end(world: World, client: Client) -> None:
    run = await queue(world)
    execution = await claim(world, run)
    await execution.set_total(0)
    await execution.finish()
    ended = await read(client, run)
    assert (ended["progress"], ended["statusBucket"]) == (1.0, "SUCCEEDED")


async def test_the_system_starts_runs_too(world: World, client: Client) -> None:
    run = await queue(world)
    await world.write(
        "UPDATE opsrun.operation_run SET initiator_id = :id, initiator_name = 'System'"
        " WHERE tenant_id = :tenant_id",
        id=SYSTEM_INITIATOR_ID,
    )
    initiator = (await read(client, run))["initiator"]
    assert (initiator["kind"], initiator["name"]) == ("SYSTEM", "System")


async def test_an_unknown_run_is_null(world: World, client: Client) -> None:
    unknown = GlobalId("OperationRun", world.tenant_id, uuid4().hex).encode()
    assert await read(client, unknown) is None


# Failures


async def broken(world: World) -> str:
    """Fail a run as a whole after five of its items failed for two reasons."""
    run = await queue(world)
    execution = await claim(world, run)
    await succeed(execution, "x")
    await fail(execution, "c", "a", "e")
    async with execution.batch() as batch:
        for item in "db":
            reason = FailureReason.CHANGED_WHILE_READING
            batch.failed(item, ProducerError(reason, f"{item} changed."))
    secret = "postgresql://opsrun:hunter2@db/opsrun"
    await execution.fail(FailureReason.INTERNAL_ERROR, f"OSError: {secret}", error_id="e" * 32)
    return run


async def test_the_failure_of_the_run_comes_before_those_of_items(
    world: World, client: Client
) -> None:
    node = await failures(client, await broken(world))
    nodes = node["failures"]["nodes"]
    assert [node["itemKey"] for node in nodes] == [None, "a", "b", "c", "d", "e"]
    assert nodes[0]["reasonCode"] == "INTERNAL_ERROR"
    assert (nodes[0]["errorId"], nodes[0]["retryable"]) == ("e" * 32, True)
    assert "hunter2" not in repr(node)
    assert nodes[1] | {"occurredAt": ""} == {
        "itemKey": "a",
        "reasonCode": "INVALID_JSON",
        "message": "a is not JSON.",
        "retryable": False,
        "errorId": None,
        "attempt": 1,
        "occurredAt": "",
    }
    assert node["failureCount"] == 6


async def test_failures_are_counted_by_reason_the_most_frequent_first(
    world: World, client: Client
) -> None:
    node = await failures(client, await broken(world))
    groups = node["failureGroups"]
    assert [(g["reasonCode"], g["count"], g["retryable"]) for g in groups] == [
        ("INVALID_JSON", 3, False),
        ("CHANGED_WHILE_READING", 2, True),
        ("INTERNAL_ERROR", 1, True),
    ]
    assert groups[0]["exampleMessage"] == "a is not JSON."


async def test_failures_come_in_pages(world: World, client: Client) -> None:
    run = await broken(world)
    seen: list[Any] = []
    cursor = None
    for size, more in ((2, True), (3, True), (3, False)):
        page = (await failures(client, run, first=size, after=cursor))["failures"]
        assert page["pageInfo"]["hasNextPage"] == more
        assert page["pageInfo"]["hasPreviousPage"] == (cursor is not None)
        cursor = page["pageInfo"]["endCursor"]
        seen += [node["itemKey"] for node in page["nodes"]]
    assert seen == [None, "a", "b", "c", "d", "e"]


async def test_failures_can_be_filtered_by_reason(world: World, client: Client) -> None:
    run = await broken(world)
    for reasons, expected in (
        (["CHANGED_WHILE_READING"], ["b", "d"]),
        (["CHANGED_WHILE_READING", "INTERNAL_ERROR"], [None, "b", "d"]),
        (["TIMEOUT"], []),
        ([], [None, "a", "b", "c", "d", "e"]),
    ):
        node = await failures(client, run, reasons=reasons)
        assert [node["itemKey"] for node in node["failures"]["nodes"]] == expected
        assert node["failureCount"] == 6


# Timeline


async def test_the_timeline_shows_every_state_in_order(world: World, client: Client) -> None:
    run = await live(world)
    events = (await timeline(client, run))["nodes"]
    assert [(event["version"], event["kind"]) for event in events] == LIFE
    assert [event["statusBucket"] for event in events] == [
        "QUEUED",
        *["RUNNING"] * 4,
        "PARTIALLY_SUCCEEDED",
    ]
    assert [event["counts"]["processed"] for event in events] == [0, 0, 0, 1, 3, 3]
    moments = [event["occurredAt"] for event in events]
    assert moments == sorted(moments)


async def test_the_timeline_comes_in_pages(world: World, client: Client) -> None:
    run = await live(world)
    first = await timeline(client, run, first=4)
    rest = await timeline(client, run, first=4, after=first["pageInfo"]["endCursor"])
    assert [event["version"] for event in first["nodes"] + rest["nodes"]] == [*range(1, 7)]
    assert (first["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasNextPage"]) == (True, False)
    assert rest["pageInfo"]["hasPreviousPage"]


@pytest.mark.parametrize("query", [FAILURES, EVENTS])
async def test_another_runs_cursor_is_bad_input(world: World, client: Client, query: str) -> None:
    run, other = await broken(world), await broken(world)
    field = "failures" if query is FAILURES else "events"
    page = (await client.data(query, id=other))["node"][field]
    variables = {"id": run, "after": page["pageInfo"]["endCursor"]}
    assert (await client.ask(query, variables)).code == "BAD_USER_INPUT"


async def test_pages_of_the_timeline_are_bounded(world: World, client: Client) -> None:
    run = await queue(world)
    for query in (FAILURES, EVENTS):
        for first, code in ((101, "LIMIT_EXCEEDED"), (-1, "BAD_USER_INPUT")):
            assert (await client.ask(query, {"id": run, "first": first})).code == code
