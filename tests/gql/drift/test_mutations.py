"""Drift generation needs two complete syncs; before them it returns a user error."""

from typing import Any

import pytest

from gql.ids import GlobalId
from tests.acts import write_policy
from tests.client import Client
from tests.gql.api import RunningApi, work
from tests.gql.furnished import SCOPE, START_DRIFT, drifted, sync
from tests.world import World


@pytest.fixture
def client(api: RunningApi, world: World) -> Client:
    return api.member(world)


async def start(client: Client, world: World, scope: str = SCOPE) -> Any:
    data = await client.data(START_DRIFT, input={"tenantId": world.global_id, "scopeKey": scope})
    return data["startDriftGeneration"]


async def drift_runs(world: World) -> int:
    rows = await world.rows(
        "SELECT 1 FROM opsrun.operation_run WHERE tenant_id = :tenant_id AND resource = 'drift'"
    )
    return len(rows)


async def test_no_run_starts_before_two_complete_syncs(world: World, client: Client) -> None:
    write_policy(world, SCOPE, "a")
    for whole_syncs in (0, 1):
        answer = await start(client, world)
        assert (answer["run"], answer["outcome"]) == (None, None)
        (error,) = answer["userErrors"]
        assert (error["code"], error["field"]) == ("NOT_ENOUGH_SNAPSHOTS", ["input", "scopeKey"])
        assert f"{SCOPE!r} has {whole_syncs}" in error["message"]
        await sync(world, client)
        # A partial sync does not count.
        (world.exports / SCOPE / "broken.json").write_text("{")
        await sync(world, client)
        (world.exports / SCOPE / "broken.json").unlink()
    assert await drift_runs(world) == 0
    assert (await start(client, world))["outcome"] == "CREATED"


async def test_the_last_two_complete_syncs_are_compared_with_the_older_as_baseline(
    world: World, client: Client
) -> None:
    write_policy(world, SCOPE, "a")
    _, baseline, current = [await sync(world, client) for _ in range(3)]
    answer = await start(client, world)
    query = "query ($id: ID!) { node(id: $id) { ... on OperationRun { context } } }"
    context = (await client.data(query, id=answer["run"]["id"]))["node"]["context"]
    assert context == {
        "scopeKey": SCOPE,
        "baselineRunId": str(GlobalId.decode(baseline).uuid_key()),
        "currentRunId": str(GlobalId.decode(current).uuid_key()),
    }


async def test_the_same_comparison_returns_the_active_run(world: World, client: Client) -> None:
    write_policy(world, SCOPE, "a")
    await sync(world, client)
    await sync(world, client)
    first, again = await start(client, world), await start(client, world)
    assert (again["outcome"], again["run"]) == ("REUSED_ACTIVE", first["run"])
    await sync(world, client)
    other = await start(client, world)
    assert (other["outcome"], await drift_runs(world)) == ("CREATED", 2)


async def test_a_second_generation_duplicates_no_finding(world: World, client: Client) -> None:
    await drifted(world, client)
    again = await start(client, world)
    assert again["outcome"] == "CREATED"
    await work(world, again["run"])
    rows = await world.rows("SELECT 1 FROM opsrun.drift_finding WHERE tenant_id = :tenant_id")
    assert len(rows) == 3


async def test_a_key_without_a_scope_is_a_user_error(world: World, client: Client) -> None:
    for scope in ("", "..", "a\x00", "x" * 10_000):
        (error,) = (await start(client, world, scope))["userErrors"]
        assert (error["code"], error["field"]) == ("INVALID_SCOPE_KEY", ["input", "scopeKey"])
