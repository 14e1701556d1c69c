"""Owners change the settings of a tenant."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from domain.tenancy.roles import TenantRole
from tests.client import Client
from tests.gql.api import RunningApi
from tests.gql.runs.watching import live
from tests.world import World

UPDATE = """mutation ($input: UpdateTenantSettingsInput!) {
  updateTenantSettings(input: $input) {
    tenant { id name retentionDays viewerRole operationRuns { nodes { finishedAt expiresAt } } }
    userErrors { code message field }
  }
}"""


@pytest.fixture
def owner(api: RunningApi, world: World) -> Client:
    return api.member(world, TenantRole.OWNER)


async def update(client: Client, world: World, days: int) -> Any:
    input_ = {"tenantId": world.global_id, "retentionDays": days}
    return (await client.data(UPDATE, input=input_))["updateTenantSettings"]


async def kept_days(client: Client, world: World) -> int:
    query = "query ($id: ID!) { tenant(id: $id) { retentionDays } }"
    days: int = (await client.data(query, id=world.global_id))["tenant"]["retentionDays"]
    return days


@pytest.mark.parametrize("days", [1, 7, 3650])
async def test_an_owner_sets_the_retention_of_runs(world: World, owner: Client, days: int) -> None:
    await live(world)
    answer = await update(owner, world, days)
    assert answer["userErrors"] == []
    assert answer["tenant"]["retentionDays"] == days == await kept_days(owner, world)
    (run,) = answer["tenant"]["operationRuns"]["nodes"]
    finished, expires = (datetime.fromisoformat(run[key]) for key in ("finishedAt", "expiresAt"))
    assert expires == finished + timedelta(days=days)


@pytest.mark.parametrize("days", [0, -1, 3651, 2**31 - 1])
async def test_a_number_of_days_out_of_range_is_a_user_error(
    world: World, owner: Client, days: int
) -> None:
    answer = await update(owner, world, days)
    assert answer["tenant"] is None
    (error,) = answer["userErrors"]
    assert (error["code"], error["field"]) == ("INVALID_RETENTION", ["input", "retentionDays"])
    assert "1 to 3650" in error["message"]
    assert await kept_days(owner, world) == 90


async def test_settings_apply_to_one_tenant(world: World, owner: Client) -> None:
    other = await World.create(world.resources, world.exports)
    await update(owner, world, 7)
    ((days,),) = await other.rows("SELECT retention_days FROM opsrun.tenant WHERE id = :tenant_id")
    assert days == 90
