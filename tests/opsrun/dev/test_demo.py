"""The demo has tenants, members and exports, and does not overwrite a user's changes."""

from collections import Counter
from pathlib import Path

import pytest

from domain.drift.models import DriftKind
from domain.lifecycle import RunStatus, StatusBucket
from domain.tenancy.roles import TenantRole
from opsrun.dev import demo
from opsrun.postgres.engines import Login
from opsrun.resources import Resources
from tests.acts import drift, sync
from tests.ledger import findings
from tests.runs import changed
from tests.world import World

AURORA = demo.TENANTS[0]


@pytest.fixture
async def aurora(resources: dict[Login, Resources], tmp_path: Path) -> World:
    """The demo's first tenant with fresh exports, as `opsrun dev` seeds it."""
    transactions = resources[Login.MAINTENANCE].transactions
    await demo.seed(transactions, tmp_path)
    world = await World.create(resources, tmp_path / AURORA.slug)
    [(world.tenant_id,)] = await world.rows(
        "SELECT id FROM opsrun.tenant WHERE slug = :slug", slug=AURORA.slug
    )
    world.slug = AURORA.slug
    world.members = {role: demo.USERS[subject] for subject, role in AURORA.roles.items()}
    return world


def test_every_role_has_a_member_and_one_user_has_two_tenants() -> None:
    assert set(AURORA.roles.values()) == set(TenantRole)
    assert len(demo.TENANTS) == 2
    assert set(AURORA.roles) & set(demo.TENANTS[1].roles)
    assert {name for tenant in demo.TENANTS for name in tenant.roles} == set(demo.USERS)


async def test_every_member_has_the_rights_of_their_role(aurora: World) -> None:
    for subject, role in AURORA.roles.items():
        access = await aurora.access(role)
        assert (access.role, access.tenant.name) == (role, AURORA.name)
        assert access.user_name == demo.USERS[subject].name


async def test_a_service_may_start_runs_but_is_not_offered_to_people(aurora: World) -> None:
    principal = await aurora.cases.tenancy.principal(demo.SERVICE.id)
    assert principal is not None
    assert principal.enter(aurora.tenant_id).role is TenantRole.OPERATOR
    assert demo.SERVICE.subject not in demo.USERS


async def test_seeding_again_changes_no_export(
    aurora: World, resources: dict[Login, Resources], tmp_path: Path
) -> None:
    transactions = resources[Login.MAINTENANCE].transactions
    scope = tmp_path / AURORA.slug / demo.SCOPE
    assert demo.change_export(tmp_path, AURORA.slug)
    before = scope.readlink()
    await demo.seed(transactions, tmp_path)
    assert scope.readlink() == before


async def test_two_syncs_lead_to_the_promised_drift(aurora: World, tmp_path: Path) -> None:
    for promised in (
        {DriftKind.ADDED: 3, DriftKind.REMOVED: 2, DriftKind.MODIFIED: 5},
        {DriftKind.ADDED: 2, DriftKind.REMOVED: 3, DriftKind.MODIFIED: 5},
    ):
        assert demo.may_change(aurora.slug, await sync(aurora, scope_key=demo.SCOPE))
        assert demo.change_export(tmp_path, aurora.slug)
        await sync(aurora, scope_key=demo.SCOPE)
        report = await findings(aurora, await drift(aurora, demo.SCOPE))
        assert Counter(finding.kind for finding in report.values()) == promised


async def test_only_a_sync_of_the_demos_scope_changes_its_export(aurora: World) -> None:
    broken = await sync(aurora, scope_key=demo.BROKEN_SCOPE)
    assert broken.status_bucket is StatusBucket.PARTIALLY_SUCCEEDED
    whole = await sync(aurora, scope_key=demo.SCOPE)
    assert demo.may_change(AURORA.slug, whole)
    assert not demo.may_change(AURORA.slug, broken)
    assert not demo.may_change("somebody-elses", whole)
    assert not demo.may_change(AURORA.slug, changed(whole, action="check"))
    assert not demo.may_change(AURORA.slug, changed(whole, context={"scopeKey": "another"}))
    assert not demo.may_change(AURORA.slug, changed(whole, status=RunStatus.FAILED))


def test_a_users_export_is_not_replaced(tmp_path: Path) -> None:
    own = tmp_path / AURORA.slug / demo.SCOPE
    own.mkdir(parents=True)
    (own / "mine.json").write_text("{}")
    assert not demo.change_export(tmp_path, AURORA.slug)
    assert [path.name for path in own.iterdir()] == ["mine.json"]
