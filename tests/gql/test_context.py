"""The context of an operation: its caller, their access, and loaders that batch."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from domain.errors import BadInputError, ForbiddenError, UnauthenticatedError
from domain.tables import tenant
from domain.tenancy.administration import remove_member, save_member, save_tenant
from domain.tenancy.models import TenantAccess
from domain.tenancy.providers import DirectorySettings
from domain.tenancy.roles import TenantRole
from domain.tenancy.session import TenantSession
from gql import context as context_module
from gql.context import Context, HubLinks, Identity
from gql.ids import GlobalId
from gql.pages import Cursor, CursorKind, cursor_number, cursor_parts, cursor_text
from gql.request import Request
from opsrun.postgres.engines import Login
from tests.world import World

HOUR = timedelta(hours=1)


def context_of(world: World, user_id: UUID | None = None, lifetime: timedelta = HOUR) -> Context:
    identity = Identity(
        user_id or world.members[TenantRole.OPERATOR].id, datetime.now(UTC) + lifetime
    )

    async def identify() -> Identity:
        return identity

    return Context(
        world.cases, identify, HubLinks("https://ops.example"), timedelta(days=30), Request()
    )


# The caller


async def test_an_unknown_user_is_refused(world: World) -> None:
    with pytest.raises(UnauthenticatedError, match="Ask an owner"):
        await context_of(world, uuid4()).principal()


async def test_a_token_that_expires_ends_its_context(world: World) -> None:
    with pytest.raises(UnauthenticatedError, match="expired"):
        await context_of(world, lifetime=timedelta(seconds=-1)).principal()


async def test_roles_are_read_again_after_a_while(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = context_of(world)
    transactions = world.resources[Login.MAINTENANCE].transactions
    member = world.members[TenantRole.OPERATOR]
    assert (await context.enter(world.tenant_id)).role is TenantRole.OPERATOR
    await save_member(transactions, world.slug, member, TenantRole.READONLY)
    assert (await context.enter(world.tenant_id)).role is TenantRole.OPERATOR
    monkeypatch.setattr(context_module, "PRINCIPAL_SECONDS", 0.0)
    assert (await context.enter(world.tenant_id)).role is TenantRole.READONLY
    await remove_member(transactions, world.slug, member)
    with pytest.raises(ForbiddenError):
        await context.enter(world.tenant_id)


async def test_a_removed_user_is_refused_after_a_while(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, member = context_of(world), world.members[TenantRole.OPERATOR]
    await context.enter(world.tenant_id)
    await world.write("DELETE FROM opsrun.app_user WHERE id = :id", id=member.id)
    monkeypatch.setattr(context_module, "PRINCIPAL_SECONDS", 0.0)
    with pytest.raises(UnauthenticatedError, match="Ask an owner"):
        await context.enter(world.tenant_id)


async def test_the_token_is_checked_again_after_a_while(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = Identity(world.members[TenantRole.OPERATOR].id, datetime.now(UTC) + HOUR)
    withdrawn = UnauthenticatedError("The token is signed with an unknown key. Sign in again.")
    verified: list[Identity | UnauthenticatedError] = [good, withdrawn]

    async def identify() -> Identity:
        if isinstance(answer := verified.pop(0), UnauthenticatedError):
            raise answer
        return answer

    context = Context(world.cases, identify, HubLinks("https://ops.example"), HOUR, Request())
    await context.enter(world.tenant_id)
    await context.enter(world.tenant_id)
    monkeypatch.setattr(context_module, "PRINCIPAL_SECONDS", 0.0)
    with pytest.raises(UnauthenticatedError, match="unknown key"):
        await context.enter(world.tenant_id)


async def test_a_role_that_was_not_read_again_is_not_relied_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    transactions = world.resources[Login.MAINTENANCE].transactions
    member, other = world.members[TenantRole.OPERATOR], f"{world.slug}-other"
    other_id = await save_tenant(
        transactions, other, "Other", DirectorySettings(str(world.exports))
    )
    await save_member(transactions, other, member, TenantRole.OWNER)
    context = context_of(world)
    await context.enter(world.tenant_id)
    # As when a field of an event has a cursor of the other tenant.
    await context.enter(other_id)
    entered = await context.entered()
    assert entered is not None
    assert entered.tenant_id == world.tenant_id
    await remove_member(transactions, world.slug, member)
    with monkeypatch.context() as patch:
        patch.setattr(context_module, "PRINCIPAL_SECONDS", 0.0)
        assert (await context.stay(other_id)).role is TenantRole.OWNER
    with pytest.raises(ForbiddenError):
        await context.stay(world.tenant_id)


# Access


async def test_the_tenant_in_an_id_is_checked_before_its_type(world: World) -> None:
    context = context_of(world)
    here, elsewhere = world.tenant_id, uuid4()
    access, located = await context.locate(GlobalId("Policy", here, "a/b").encode(), "Policy")
    assert (access.tenant_id, located.key) == (here, "a/b")
    with pytest.raises(ForbiddenError):
        await context.locate(GlobalId("Nonsense", elsewhere).encode(), "Policy")
    with pytest.raises(BadInputError, match="Expected the id of a Policy, not of a Tenant"):
        await context.locate(GlobalId("Tenant", here).encode(), "Policy")


NUMBERS = CursorKind[int, int]("numbers", encode=lambda row: (row,), decode=cursor_number(31))
IDS = CursorKind[tuple[UUID, str], tuple[UUID, str]](
    "ids", encode=lambda row: (row[0].hex, row[1]), decode=cursor_parts(UUID, str)
)
TEXTS = CursorKind[str, str]("texts", encode=lambda row: (row,), decode=cursor_text)


async def test_the_tenant_in_a_cursor_is_checked_before_its_list(world: World) -> None:
    context = context_of(world)
    here, elsewhere = world.tenant_id, uuid4()
    assert await context.place(NUMBERS.cursor(here, 7), NUMBERS, here) == 7
    with pytest.raises(ForbiddenError):
        await context.place(Cursor("nonsense", elsewhere, ()).encode(), NUMBERS, here)


@pytest.mark.parametrize("kind", [NUMBERS, TEXTS, IDS])
@pytest.mark.parametrize("values", [(), (1, 2), (1, 2, 3), (None,)])
async def test_a_cursor_of_another_shape_is_bad_input(
    world: World, kind: CursorKind[Any, Any], values: tuple[int, ...]
) -> None:
    cursor = Cursor(kind.name, world.tenant_id, values).encode()
    with pytest.raises(BadInputError, match="is not a cursor of this list"):
        await context_of(world).place(cursor, kind, world.tenant_id)


async def test_a_text_where_a_cursor_has_a_number_is_bad_input(world: World) -> None:
    cursor = Cursor("numbers", world.tenant_id, ("x",)).encode()
    with pytest.raises(BadInputError, match="is not a cursor of this list"):
        await context_of(world).place(cursor, NUMBERS, world.tenant_id)


async def test_a_number_where_a_cursor_has_a_uuid_is_bad_input(world: World) -> None:
    cursor = Cursor("ids", world.tenant_id, (7, "x")).encode()
    with pytest.raises(BadInputError, match="is not a cursor of this list"):
        await context_of(world).place(cursor, IDS, world.tenant_id)


async def test_a_cursor_of_another_list_is_bad_input(world: World) -> None:
    cursor = NUMBERS.of("of a run").cursor(world.tenant_id, 7)
    with pytest.raises(BadInputError, match="is not a cursor of this list"):
        await context_of(world).place(cursor, NUMBERS.of("of another"), world.tenant_id)


# Loaders


class Noting:
    """A batch fetch that records its calls; even keys exist."""

    def __init__(self) -> None:
        self.calls: list[tuple[UUID, list[int], int]] = []

    async def __call__(
        self, session: TenantSession, keys: Sequence[int], /, *, limit: int = 0
    ) -> Mapping[int, str]:
        self.calls.append((session.tenant_id, list(keys), limit))
        slug = await session.scalar(select(tenant.c.slug))
        return {key: f"{slug} {key}" for key in keys if key % 2 == 0}


async def accesses(*worlds: World) -> list[TenantAccess]:
    return [await world.access() for world in worlds]


async def test_keys_loaded_together_are_fetched_together(world: World) -> None:
    context, fetch = context_of(world), Noting()
    (here,) = await accesses(world)
    loaded = await asyncio.gather(*(context.load(fetch, here, key) for key in (2, 3, 2, 4)))
    assert [*loaded] == [f"{world.slug} 2", None, f"{world.slug} 2", f"{world.slug} 4"]
    assert fetch.calls == [(world.tenant_id, [2, 3, 4], 0)]


async def test_a_batch_never_mixes_tenants_or_arguments(world: World) -> None:
    other = await World.create(world.resources, world.exports)
    context, fetch = context_of(world), Noting()
    here, there = await accesses(world, other)
    loaded = await asyncio.gather(
        context.load(fetch, here, 2),
        context.load(fetch, there, 2),
        context.load(fetch, here, 4, limit=1),
        context.load(fetch, there, 6),
    )
    assert [*loaded] == [f"{world.slug} 2", f"{other.slug} 2", f"{world.slug} 4", f"{other.slug} 6"]
    assert sorted(fetch.calls) == sorted(
        [(world.tenant_id, [2], 0), (other.tenant_id, [2, 6], 0), (world.tenant_id, [4], 1)]
    )


async def test_loaders_cache_nothing(world: World) -> None:
    context, fetch = context_of(world), Noting()
    (here,) = await accesses(world)
    await context.load(fetch, here, 2)
    await context.load(fetch, here, 2)
    assert len(fetch.calls) == 2


async def test_a_failed_batch_fails_its_waiters_but_no_later_one(world: World) -> None:
    context = context_of(world)
    (here,) = await accesses(world)
    failures = iter([LookupError("gone"), None])

    async def fetch(_: TenantSession, keys: Sequence[int], /) -> Mapping[int, int]:
        if failure := next(failures):
            raise failure
        return dict.fromkeys(keys, 1)

    first = await asyncio.gather(
        context.load(fetch, here, 1), context.load(fetch, here, 2), return_exceptions=True
    )
    assert [type(error) for error in first] == [LookupError, LookupError]
    assert await context.load(fetch, here, 1) == 1
