"""The roles of all who watch a tenant are read together."""

import asyncio

import pytest

from domain.tenancy import repository
from domain.tenancy.administration import remove_member, save_member
from domain.tenancy.models import TenantAccess
from domain.tenancy.roles import TenantRole
from domain.tenancy.watchers import Watchers
from opsrun.postgres.engines import Login
from tests.world import World

LATELY = 60.0


@pytest.fixture
def watchers(world: World) -> Watchers:
    return Watchers(world.resources[Login.API].transactions)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of users of each read."""
    counts: list[int] = []
    accesses = repository.accesses

    async def counted(session: object, user_ids: list[object]) -> dict[object, TenantAccess]:
        counts.append(len(user_ids))
        return await accesses(session, user_ids)  # type: ignore[arg-type, return-value]

    monkeypatch.setattr(repository, "accesses", counted)
    return counts


async def test_all_watchers_of_a_tenant_are_read_together(
    world: World, watchers: Watchers, reads: list[int]
) -> None:
    users = {role: world.members[role].id for role in TenantRole}
    for user_id in users.values():
        await watchers.access(world.tenant_id, user_id, max_age=LATELY)
    reads.clear()
    accesses = await asyncio.gather(
        *(watchers.access(world.tenant_id, user_id, max_age=0.0) for user_id in users.values())
    )
    assert [access and access.role for access in accesses] == list(users)
    # The first caller's read began before the others came, so they share a second one.
    assert reads == [len(users)] * 2
    # A read of some seconds ago is enough for the next.
    await watchers.access(world.tenant_id, users[TenantRole.OWNER], max_age=LATELY)
    assert reads == [len(users)] * 2


async def test_an_access_is_the_one_of_its_member(world: World, watchers: Watchers) -> None:
    for role in TenantRole:
        access = await watchers.access(world.tenant_id, world.members[role].id, max_age=0.0)
        assert access == await world.access(role)


async def test_a_new_watcher_does_not_get_an_older_read(
    world: World, watchers: Watchers, reads: list[int]
) -> None:
    for count, role in enumerate((TenantRole.OWNER, TenantRole.READONLY), start=1):
        access = await watchers.access(world.tenant_id, world.members[role].id, max_age=LATELY)
        assert access is not None
        assert access.role == role
        assert len(reads) == count


async def test_changes_are_seen_with_the_next_read(world: World, watchers: Watchers) -> None:
    user = world.members[TenantRole.OPERATOR]
    transactions = world.resources[Login.MAINTENANCE].transactions

    async def now() -> TenantAccess | None:
        return await watchers.access(world.tenant_id, user.id, max_age=0.0)

    await save_member(transactions, world.slug, user, TenantRole.MANAGER)
    access = await now()
    assert access is not None
    assert access.role == TenantRole.MANAGER
    await remove_member(transactions, world.slug, user)
    assert await now() is None


async def test_a_member_of_another_tenant_has_no_access(world: World, watchers: Watchers) -> None:
    neighbour = await World.create(world.resources, world.exports)
    stranger = neighbour.members[TenantRole.OWNER].id
    assert await watchers.access(world.tenant_id, stranger, max_age=0.0) is None
