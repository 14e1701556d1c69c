"""Operators add and change tenants, users and memberships."""

from pathlib import Path
from uuid import UUID, uuid4

from domain.tenancy import repository
from domain.tenancy.administration import remove_member, save_member, save_tenant
from domain.tenancy.models import User
from domain.tenancy.providers import DirectorySettings
from domain.tenancy.roles import TenantRole
from opsrun.auth.tokens import LOCAL_ISSUER
from opsrun.postgres.engines import Login
from tests.world import World


async def test_a_tenant_is_added_once_and_then_changed(world: World) -> None:
    transactions = world.resources[Login.MAINTENANCE].transactions
    await world.start()
    assert await save_tenant(transactions, world.slug, "New name", None) == world.tenant_id
    async with transactions.installation() as session:
        # None keeps the folder.
        assert await repository.provider(session.within(world.tenant_id)) == DirectorySettings(
            str(world.exports)
        )
        assert (await repository.tenant_slugs(session))[world.tenant_id] == world.slug
        assert await repository.tenant_id_of(session, world.slug) == world.tenant_id
        assert await repository.tenant_id_of(session, "unknown") is None
    assert (await world.access()).tenant.name == "New name"
    position = await world.cursor(await world.access())
    assert position.seq == 1

    await save_tenant(transactions, world.slug, "New name", DirectorySettings("/elsewhere"))
    async with transactions.installation() as session:
        before = UUID(int=world.tenant_id.int - 1)
        assert await repository.providers(session, after=before, limit=1) == [
            (world.tenant_id, DirectorySettings("/elsewhere"))
        ]


async def test_a_member_has_one_role_until_it_is_removed(world: World) -> None:
    transactions = world.resources[Login.MAINTENANCE].transactions
    user = world.members[TenantRole.OWNER]
    await save_member(transactions, world.slug, user, TenantRole.READONLY)
    assert (await world.access(TenantRole.OWNER)).role is TenantRole.READONLY

    assert await remove_member(transactions, world.slug, user)
    assert not await remove_member(transactions, world.slug, user)
    principal = await world.cases.tenancy.principal(user.id)
    assert principal is not None
    assert principal.accesses == {}


async def test_a_user_with_a_new_name_is_the_same_user(world: World) -> None:
    transactions = world.resources[Login.MAINTENANCE].transactions
    before = world.members[TenantRole.OWNER]
    after = User(before.issuer, before.subject, "Married Name", "new@example.com")
    await save_member(transactions, world.slug, after, TenantRole.OWNER)
    principal = await world.cases.tenancy.principal(before.id)
    assert principal is not None
    assert (principal.name, principal.email) == ("Married Name", "new@example.com")


async def test_a_principal_has_every_membership_and_no_more(world: World, tmp_path: Path) -> None:
    transactions = world.resources[Login.MAINTENANCE].transactions
    neighbour = await World.create(world.resources, tmp_path)
    user = User(LOCAL_ISSUER, f"both-{uuid4()}", "Both", "both@example.com")
    await save_member(transactions, world.slug, user, TenantRole.OWNER)
    await save_member(transactions, neighbour.slug, user, TenantRole.READONLY)

    principal = await world.cases.tenancy.principal(user.id)
    assert principal is not None
    assert (principal.name, principal.email) == ("Both", "both@example.com")
    assert {
        tenant_id: (access.role, access.tenant.slug, access.user_id, access.tenant.retention_days)
        for tenant_id, access in principal.accesses.items()
    } == {
        world.tenant_id: (TenantRole.OWNER, world.slug, user.id, 90),
        neighbour.tenant_id: (TenantRole.READONLY, neighbour.slug, user.id, 90),
    }


async def test_an_unknown_identity_has_no_principal(world: World) -> None:
    assert await world.cases.tenancy.principal(uuid4()) is None
