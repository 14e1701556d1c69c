"""Changes of tenants and members by operators take effect at once."""

from uuid import uuid4

import pytest

from domain.tenancy.administration import (
    UnknownTenantError,
    find_user,
    remove_member,
    save_member,
    save_tenant,
)
from domain.tenancy.models import Principal, User, user_id
from domain.tenancy.roles import TenantRole
from domain.tenancy.transactions import Transactions
from opsrun.administration import open_administration
from opsrun.auth.tokens import LOCAL_ISSUER
from opsrun.postgres.engines import Login, UnsafeLoginError
from opsrun.resources import Resources
from tests.conftest import settings_for
from tests.world import World


@pytest.fixture
def transactions(resources: dict[Login, Resources]) -> Transactions:
    return resources[Login.MAINTENANCE].transactions


def newcomer() -> User:
    return User(LOCAL_ISSUER, uuid4().hex, "Nora Newcomer", "nora@example.com")


async def seen(world: World, user: User) -> Principal | None:
    """The user as the API sees them."""
    return await world.cases.tenancy.principal(user.id)


def test_issuer_and_subject_identify_a_user() -> None:
    assert User("issuer", "ada", "Ada").id == user_id("issuer", "ada")
    assert User("issuer", "ada", "Ada").id != User("another", "ada", "Ada").id


async def test_a_member_is_added_changed_and_removed(
    world: World, transactions: Transactions
) -> None:
    user = newcomer()
    assert await seen(world, user) is None
    for role in TenantRole:
        await save_member(transactions, world.slug, user, role)
        principal = await seen(world, user)
        assert principal is not None
        assert (principal.name, principal.email) == ("Nora Newcomer", "nora@example.com")
        assert principal.enter(world.tenant_id).role is role
    assert await remove_member(transactions, world.slug, user)
    principal = await seen(world, user)
    assert principal is not None
    assert dict(principal.accesses) == {}
    assert not await remove_member(transactions, world.slug, user)


async def test_omitted_fields_keep_their_values(world: World, transactions: Transactions) -> None:
    user = newcomer()
    await save_member(transactions, world.slug, user, TenantRole.READONLY)
    assert await find_user(transactions, user.issuer, user.subject, None, None) == user
    married = await find_user(transactions, user.issuer, user.subject, "Nora Newname", None)
    assert married == User(user.issuer, user.subject, "Nora Newname", user.email)


async def test_a_new_user_without_a_name_is_named_by_the_subject(
    transactions: Transactions,
) -> None:
    subject = uuid4().hex
    user = await find_user(transactions, LOCAL_ISSUER, subject, None, None)
    assert user == User(LOCAL_ISSUER, subject, subject, None)


async def test_a_tenant_that_does_not_exist_is_named(transactions: Transactions) -> None:
    user = newcomer()
    with pytest.raises(UnknownTenantError, match=r"'no-such'.*opsrun tenant"):
        await save_member(transactions, "no-such", user, TenantRole.OWNER)
    with pytest.raises(UnknownTenantError):
        await remove_member(transactions, "no-such", user)


async def test_no_user_is_added_to_a_tenant_that_does_not_exist(
    world: World, transactions: Transactions
) -> None:
    user = newcomer()
    with pytest.raises(UnknownTenantError):
        await save_member(transactions, "no-such", user, TenantRole.OWNER)
    assert await seen(world, user) is None


async def test_a_tenant_is_changed_by_its_slug(world: World, transactions: Transactions) -> None:
    assert await save_tenant(transactions, world.slug, "New name", None) == world.tenant_id
    assert (await world.access()).tenant.name == "New name"
    [(folder,)] = await world.rows("SELECT export_folder FROM opsrun.tenant WHERE id = :tenant_id")
    assert folder == str(world.exports)


@pytest.mark.parametrize("login", [Login.API, Login.WORKER])
async def test_administration_requires_its_login(
    logins: dict[Login, str], login: Login, tmp_path_factory: pytest.TempPathFactory
) -> None:
    settings = settings_for(logins[login], "redis://unused", tmp_path_factory.mktemp("data"))
    with pytest.raises(UnsafeLoginError, match="opsrun_maintenance"):
        async with open_administration(settings):
            pass
