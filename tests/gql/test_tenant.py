"""The fields of a tenant."""

import pytest

from domain.tenancy.roles import TenantRole
from tests.gql.api import RunningApi
from tests.world import World

TENANT = "query ($id: ID!) { tenant(id: $id) { id slug name viewerRole retentionDays provider } }"


@pytest.mark.parametrize("role", TenantRole)
async def test_every_role_sees_the_tenant_and_its_own_role(
    api: RunningApi, world: World, role: TenantRole
) -> None:
    data = await api.member(world, role).data(TENANT, id=world.global_id)
    assert data["tenant"] == {
        "id": world.global_id,
        "slug": world.slug,
        "name": f"Tenant {world.slug}",
        "viewerRole": role.value,
        "retentionDays": 90,
        "provider": "DIRECTORY",
    }


async def test_a_tenant_takes_one_read_which_is_that_of_the_caller(
    api: RunningApi, world: World
) -> None:
    client = api.member(world)
    with api.statements() as statements:
        await client.data(TENANT, id=world.global_id)
    assert len(statements) == 1, statements
