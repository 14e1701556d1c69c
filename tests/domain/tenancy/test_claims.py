"""With claims, a user's memberships come from the token, and the table is ignored."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest

from domain.errors import ForbiddenError
from domain.notifications import repository as notifications_repository
from domain.tenancy.claims import ClaimedUser
from domain.tenancy.models import Principal
from domain.tenancy.roles import TenantRole
from tests.ledger import count_rows
from tests.world import World

ISSUER = "https://id.example"


def somebody(*memberships: tuple[str, str], name: str | None = "Ada") -> ClaimedUser:
    return ClaimedUser(ISSUER, uuid4().hex, name, "ada@example.com", memberships)


async def sign_in(world: World, user: ClaimedUser) -> Principal:
    principal, _ = await world.cases.tenancy.claimed_principal(user)
    return principal


async def stored(world: World, user: ClaimedUser) -> list[tuple[str, ...]]:
    rows = await world.rows(
        "SELECT issuer, subject, name, email FROM opsrun.app_user WHERE id = :id", id=user.id
    )
    return [tuple(row) for row in rows]


@pytest.mark.parametrize("role", TenantRole)
async def test_a_new_user_has_the_memberships_of_the_token_at_once(
    world: World, role: TenantRole
) -> None:
    user = somebody((world.slug, role))
    principal, is_new = await world.cases.tenancy.claimed_principal(user)
    assert is_new
    assert (principal.user_id, principal.name, principal.email) == (user.id, "Ada", user.email)
    access = principal.enter(world.tenant_id)
    assert (access.role, access.tenant.slug, access.user_name) == (role, world.slug, "Ada")
    assert await stored(world, user) == [(ISSUER, user.subject, "Ada", "ada@example.com")]
    assert await world.cases.tenancy.claimed_principal(user) == (principal, False)


async def test_a_run_has_the_name_of_its_initiator_from_the_token(world: World) -> None:
    access = (await sign_in(world, somebody((world.slug, "OPERATOR")))).enter(world.tenant_id)
    started = await world.starter.start(
        access, resource="inventory", action="sync", subject="a", context={"scopeKey": "a"}
    )
    assert (started.run.initiator.name, started.run.initiator.id) == ("Ada", access.user_id)
    (notification,) = await world.read(
        notifications_repository.page, access, after=None, unread_only=True, limit=9
    )
    assert notification.run_id == started.run.id


async def test_the_memberships_follow_the_next_token(world: World) -> None:
    user = somebody((world.slug, "OWNER"))
    await sign_in(world, user)
    less = replace(user, memberships=((world.slug, "READONLY"),))
    assert (await sign_in(world, less)).enter(world.tenant_id).role is TenantRole.READONLY
    with pytest.raises(ForbiddenError):
        (await sign_in(world, replace(user, memberships=()))).enter(world.tenant_id)


async def test_memberships_of_the_table_are_ignored(world: World) -> None:
    member = world.members[TenantRole.OWNER]
    user = ClaimedUser(member.issuer, member.subject, None, None, ())
    assert (await sign_in(world, user)).accesses == {}
    assert (await world.access(TenantRole.OWNER)).role is TenantRole.OWNER


async def test_a_changed_name_is_stored_and_a_missing_one_keeps_the_old(
    world: World,
) -> None:
    user = somebody()
    await sign_in(world, user)
    assert (await sign_in(world, replace(user, name="Countess"))).name == "Countess"
    moved = await sign_in(world, replace(user, name=None, email="new@example.com"))
    assert (moved.name, moved.email) == ("Countess", "new@example.com")
    without = await sign_in(world, replace(user, name=None, email=None))
    assert (without.name, without.email) == ("Countess", "new@example.com")


async def test_a_user_without_a_name_is_named_by_their_subject(world: World) -> None:
    user = somebody(name=None)
    assert (await sign_in(world, user)).name == user.subject


async def test_a_token_creates_no_tenant_and_no_role(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    before = await world.rows("SELECT id FROM opsrun.tenant")
    invented = f"t-{uuid4().hex}"
    user = somebody((invented, "OWNER"), (world.slug, "KING"), ("Not a slug\0", "OWNER"))
    for _ in range(3):
        assert (await sign_in(world, user)).accesses == {}
    assert {*await world.rows("SELECT id FROM opsrun.tenant")} == {*before}
    (record,) = [record for record in caplog.records if invented in record.getMessage()]
    assert f"{world.slug}:KING" in record.getMessage()


async def test_concurrent_first_requests_create_one_user(world: World) -> None:
    user = somebody((world.slug, "OPERATOR"))
    before = await count_rows(world)
    answers = await asyncio.gather(
        *(world.cases.tenancy.claimed_principal(user) for _ in range(20))
    )
    assert sum(is_new for _, is_new in answers) == 1
    assert len({principal.role for p, _ in answers for principal in p.accesses.values()}) == 1
    assert len(await stored(world, user)) == 1
    assert await count_rows(world) == before
