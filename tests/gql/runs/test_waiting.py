"""Clients see why a run waits, and which run types a worker knows."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest

from domain.inventory.run_type import INVENTORY_SYNC
from domain.runs.run_types import run_types
from tests.acts import claim, until
from tests.client import WEBSOCKET
from tests.gql.api import RunningApi
from tests.world import World

RUNS = """query ($tenant: ID!) { tenant(id: $tenant) { operationRuns(first: 50) {
  nodes { runType waitingReason } } } }"""
TYPES = "query ($tenant: ID!) { tenant(id: $tenant) { runTypes { name isServed } } }"
WATCH = """subscription ($tenant: ID!) { operationRuns(tenantId: $tenant) {
  ... on FeedReset { runs { runType waitingReason } } } }"""


@pytest.fixture
def unserved(monkeypatch: pytest.MonkeyPatch) -> str:
    """A run type `inventory.…` that the API knows, and no worker."""
    name = f"inventory.render_{uuid4().hex}"
    monkeypatch.setitem(run_types()._declared, name, (replace(INVENTORY_SYNC, name=name), "tests"))
    return name


async def test_a_list_says_why_its_runs_wait_with_one_statement(
    api: RunningApi, world: World, unserved: str
) -> None:
    client = api.member(world)
    ended = await world.start()
    await world.work(ended)
    await world.start()
    for _ in range(3):
        await world.start(action=unserved.partition(".")[2])
    with api.statements() as statements:
        data = await client.data(RUNS, tenant=world.global_id)
    expected = {
        "runType": unserved,
        "waitingReason": f"No worker that knows `{unserved}` is running.",
    }
    served = {"runType": "inventory.sync", "waitingReason": None}
    assert data["tenant"]["operationRuns"]["nodes"] == [*[expected] * 3, served, served]
    assert len([text for text in statements if "worker_run_type" in text]) == 1


async def test_a_running_run_says_why_it_waits(api: RunningApi, world: World) -> None:
    reason = "Microsoft Graph limits requests."
    execution = await claim(world, (await world.start()).run.id)
    query = RUNS.replace("waitingReason", "statusBucket waitingReason version")
    waiting = asyncio.create_task(execution.wait(600, reason))
    client = api.member(world)

    async def is_shown() -> bool:
        (run,) = (await client.data(query, tenant=world.global_id))["tenant"]["operationRuns"][
            "nodes"
        ]
        return bool(run["statusBucket"] == "RUNNING" and run["waitingReason"] == reason)

    await until(is_shown)
    waiting.cancel()


async def test_a_list_without_the_reason_does_not_read_it(api: RunningApi, world: World) -> None:
    await world.start()
    query = RUNS.replace("waitingReason", "")
    with api.statements() as statements:
        await api.member(world).data(query, tenant=world.global_id)
    assert not [text for text in statements if "worker_run_type" in text]


async def test_run_types_say_whether_a_worker_knows_them(
    api: RunningApi, world: World, unserved: str
) -> None:
    with api.statements() as statements:
        data = await api.member(world).data(TYPES, tenant=world.global_id)
    served = {each["name"]: each["isServed"] for each in data["tenant"]["runTypes"]}
    assert (served[unserved], served["inventory.sync"]) == (False, True)
    assert len([text for text in statements if "worker_run_type" in text]) == 1


async def test_an_api_without_the_package_shows_its_runs(
    api: RunningApi, world: World, unserved: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.start({"scopeKey": "prod"}, action=unserved.partition(".")[2])
    monkeypatch.delitem(run_types()._declared, unserved)
    query = """query ($tenant: ID!, $types: [String!]) { tenant(id: $tenant) {
      runTypes { name }
      operationRuns(first: 5, filter: {runTypes: $types}) { nodes {
        runType resource subject context waitingReason related { __typename }
        failures(first: 5) { nodes { reasonCode } } failureGroups { reasonCode }
        events(first: 5) { nodes { kind } } } }
      operationRunFacets(filter: {runTypes: $types}) { byRunType { runType count } } } }"""
    data = await api.member(world).data(query, tenant=world.global_id, types=[unserved])
    tenant = data["tenant"]
    assert unserved not in [each["name"] for each in tenant["runTypes"]]
    assert tenant["operationRuns"]["nodes"] == [
        {
            "runType": unserved,
            "resource": "inventory",
            "subject": "prod",
            "context": {"scopeKey": "prod"},
            "waitingReason": f"No worker that knows `{unserved}` is running.",
            "related": [],
            "failures": {"nodes": []},
            "failureGroups": [],
            "events": {"nodes": [{"kind": "QUEUED"}]},
        }
    ]
    assert tenant["operationRunFacets"]["byRunType"] == [{"runType": unserved, "count": 1}]


async def test_a_subscription_says_why_runs_wait(
    api: RunningApi, world: World, unserved: str
) -> None:
    await world.start(action=unserved.partition(".")[2])
    client = api.member(world)
    async with client.subscribe(WEBSOCKET, WATCH, {"tenant": world.global_id}) as stream:
        (run,) = (await stream.next())["runs"]
    assert run["waitingReason"] == f"No worker that knows `{unserved}` is running."
