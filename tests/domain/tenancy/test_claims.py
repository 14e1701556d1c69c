"""Where a token, and no table, says who belongs where."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest

from domain.errors import ForbiddenError
from domain.notifications import repository as notifications_repository
from domain.tenancy.claims import ClaimedUser
from domain.tenancy.models import Principal
from domain.tenancy.roles import TenantRole
from tests.domain.ledger import count_rows
from tests.world import World

ISSUER = "https://id.example"


def somebody(*memberships: tuple[str, str], name: str | None = "Ada") -> ClaimedUser:
    return ClaimedUser(ISSUER, uuid4().hex, name, "ada@example.com", memberships)


async def entered(world: World, user: ClaimedUser) -> Principal:
    principal, _ = await world.cases.tenancy.claimed_principal(user)
    return principal


async def stored(world: World, user: ClaimedUser) -> list[tuple[str, ...]]:
    rows = await world.rows(
        "SELECT issuer, subject, name, email FROM opsrun.app_user WHERE id = :id", id=user.id
    )
    return [tuple(row) for row in rows]


@pytest.mark.parametrize("role", TenantRole)
async def test_a_stranger_has_at_once_what_the_token_says(world: World, role: TenantRole) -> None:
    user = somebody((world.slug, role))
    principal, is_new = await world.cases.tenancy.claimed_principal(user)
    assert is_new
    assert (principal.user_id, principal.name, principal.email) == (user.id, "Ada", user.email)
    access = principal.enter(world.tenant_id)
    assert (access.role, access.tenant.slug, access.user_name) == (role, world.slug, "Ada")
    assert await stored(world, user) == [(ISSUER, user.subject, "Ada", "ada@example.com")]
    assert await world.cases.tenancy.claimed_principal(user) == (principal, False)


async def test_what_they_start_bears_their_name(world: World) -> None:
    access = (await entered(world, somebody((world.slug, "OPERATOR")))).enter(world.tenant_id)
    started = await world.starter.start(
        access, resource="inventory", action="sync", subject="a", context={"scopeKey": "a"}
    )
    assert (started.run.initiator.name, started.run.initiator.id) == ("Ada", access.user_id)
    (told,) = await world.read(
        notifications_repository.page, access, after=None, unread_only=True, limit=9
    )
    assert told.run_id == started.run.id


async def test_the_next_token_is_the_truth(world: World) -> None:
    user = somebody((world.slug, "OWNER"))
    await entered(world, user)
    less = replace(user, memberships=((world.slug, "READONLY"),))
    assert (await entered(world, less)).enter(world.tenant_id).role is TenantRole.READONLY
    with pytest.raises(ForbiddenError):
        (await entered(world, replace(user, memberships=()))).enter(world.tenant_id)


async def test_the_table_counts_for_nothing(world: World) -> None:
    member = world.members[TenantRole.OWNER]
    user = ClaimedUser(member.issuer, member.subject, None, None, ())
    assert (await entered(world, user)).accesses == {}
    assert (await world.access(TenantRole.OWNER)).role is TenantRole.OWNER


async def test_a_name_that_changed_is_taken_over_and_one_that_is_not_told_is_kept(
    world: World,
) -> None:
    user = somebody()
    await entered(world, user)
    assert (await entered(world, replace(user, name="Countess"))).name == "Countess"
    moved = await entered(world, replace(user, name=None, email="new@example.com"))
    assert (moved.name, moved.email) == ("Countess", "new@example.com")
    silent = await entered(world, replace(user, name=None, email=None))
    assert (silent.name, silent.email) == ("Countess", "new@example.com")


async def test_a_stranger_without_a_name_is_called_by_their_subject(world: World) -> None:
    user = somebody(name=None)
    assert (await entered(world, user)).name == user.subject


async def test_nothing_that_is_unknown_comes_into_being(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    before = await world.rows("SELECT id FROM opsrun.tenant")
    invented = f"t-{uuid4().hex}"
    user = somebody((invented, "OWNER"), (world.slug, "KING"), ("Not a slug\0", "OWNER"))
    for _ in range(3):
        assert (await entered(world, user)).accesses == {}
    assert {*await world.rows("SELECT id FROM opsrun.tenant")} == {*before}
    (record,) = [record for record in caplog.records if invented in record.getMessage()]
    assert f"{world.slug}:KING" in record.getMessage()


async def test_a_first_operation_may_be_many_at_once(world: World) -> None:
    user = somebody((world.slug, "OPERATOR"))
    before = await count_rows(world)
    answers = await asyncio.gather(
        *(world.cases.tenancy.claimed_principal(user) for _ in range(20))
    )
    assert sum(is_new for _, is_new in answers) == 1
    assert len({principal.role for p, _ in answers for principal in p.accesses.values()}) == 1
    assert len(await stored(world, user)) == 1
    assert await count_rows(world) == before
