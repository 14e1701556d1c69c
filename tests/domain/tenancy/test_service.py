"""Owners set the retention of their tenant."""

import pytest
from asyncpg import IntegrityConstraintViolationError

from domain.errors import ForbiddenError, UserErrorCode, UserInputError
from domain.tenancy import repository
from domain.tenancy.roles import TenantRole
from opsrun.postgres.engines import Login
from tests.world import World


async def test_an_owner_sets_the_retention(world: World) -> None:
    owner = await world.access(TenantRole.OWNER)
    for days in (1, 3650, 30):
        changed = await world.cases.tenancy.set_retention(owner, days)
        assert changed.retention_days == days
        assert (await world.access()).tenant == changed


@pytest.mark.parametrize("role", [role for role in TenantRole if role is not TenantRole.OWNER])
async def test_lower_roles_cannot_set_it(world: World, role: TenantRole) -> None:
    access = await world.access(role)
    for days in (30, -1):
        with pytest.raises(ForbiddenError, match="requires OWNER"):
            await world.cases.tenancy.set_retention(access, days)
    assert (await world.access()).tenant.retention_days == 90


@pytest.mark.parametrize("days", [0, -1, 3651, 10**12])
async def test_use_case_and_database_bound_the_retention(world: World, days: int) -> None:
    with pytest.raises(UserInputError, match="1 to 3650 days") as caught:
        await world.cases.tenancy.set_retention(await world.access(TenantRole.OWNER), days)
    assert caught.value.code is UserErrorCode.INVALID_RETENTION
    assert caught.value.argument == "days"
    if days < 2**31:
        maintenance = world.resources[Login.MAINTENANCE].transactions
        with pytest.raises(IntegrityConstraintViolationError, match="ck_tenant_retention_days"):
            async with maintenance.tenant(world.tenant_id) as session:
                await repository.set_retention(session, days)
    assert (await world.access()).tenant.retention_days == 90


async def test_another_tenant_keeps_its_retention(world: World) -> None:
    neighbour = await World.create(world.resources, world.exports)
    await world.cases.tenancy.set_retention(await world.access(TenantRole.OWNER), 7)
    assert (await neighbour.access()).tenant.retention_days == 90
