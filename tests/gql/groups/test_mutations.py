"""`startGroupSync` starts a sync, and its run relates to the tenant's groups."""

from collections.abc import AsyncIterator

import pytest

from domain.tenancy.roles import TenantRole
from tests.gql.api import RunningApi, work
from tests.graph import Double, graph_double
from tests.graph.histories import new_groups
from tests.workers.providers.graph.tenants import graph_as_provider, read_from_graph
from tests.world import World

START = """mutation ($input: StartGroupSyncInput!) {
  startGroupSync(input: $input) {
    outcome run { id runType context } userErrors { code message field }
  }
}"""
RELATED = """query ($id: ID!) { node(id: $id) { ... on OperationRun { statusBucket related {
  __typename ... on GroupDirectory { groupCount lastSyncedRunId } } } } }"""


@pytest.fixture
async def double() -> AsyncIterator[Double]:
    async with graph_double() as double, graph_as_provider(double):
        yield double


async def test_a_sync_runs_and_relates_to_the_groups(
    api: RunningApi, world: World, double: Double
) -> None:
    await read_from_graph(world, double)
    new_groups(double.groups, 3)
    client = api.member(world, TenantRole.OPERATOR)
    started = await client.data(START, input={"tenantId": world.global_id})
    run = started["startGroupSync"]["run"]
    assert (run["runType"], run["context"]) == ("group.sync", {})
    before = await client.data(RELATED, id=run["id"])
    assert before["node"]["related"] == []
    again = await client.data(START, input={"tenantId": world.global_id, "full": True})
    assert again["startGroupSync"]["outcome"] == "REUSED_ACTIVE"
    assert again["startGroupSync"]["run"] == run
    await work(world, run)
    after = await client.data(RELATED, id=run["id"])
    assert after["node"] == {
        "statusBucket": "SUCCEEDED",
        "related": [
            {"__typename": "GroupDirectory", "groupCount": 3, "lastSyncedRunId": run["id"]}
        ],
    }
    full = await client.data(START, input={"tenantId": world.global_id, "full": True})
    assert full["startGroupSync"]["run"]["context"] == {"full": True}


async def test_a_tenant_without_graph_gets_a_user_error(api: RunningApi, world: World) -> None:
    client = api.member(world, TenantRole.OPERATOR)
    data = await client.data(START, input={"tenantId": world.global_id})
    (error,) = data["startGroupSync"]["userErrors"]
    assert (error["code"], error["field"]) == ("GRAPH_REQUIRED", ["input"])
    assert "--graph-tenant" in error["message"]
    assert data["startGroupSync"]["run"] is None
