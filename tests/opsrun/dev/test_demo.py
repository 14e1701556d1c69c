"""The demo: everything a newcomer needs is there, and what they changed stays theirs."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from domain.drift.models import DriftKind
from domain.lifecycle import RunStatus, StatusBucket
from domain.tenancy.roles import TenantRole
from opsrun.dev import demo
from opsrun.postgres.engines import Login
from opsrun.resources import Resources
from tests.working import drift, findings, sync
from tests.world import World

AURORA = demo.TENANTS[0]


@pytest.fixture
async def aurora(resources: dict[Login, Resources], tmp_path: Path) -> World:
    """The demo's first tenant with fresh exports, as `opsrun dev` seeds it."""
    keeper = resources[Login.MAINTENANCE].transactions
    await demo.seed(keeper, tmp_path)
    world = await World.create(resources, tmp_path / AURORA.slug)
    [(world.tenant_id,)] = await world.rows(
        "SELECT id FROM opsrun.tenant WHERE slug = :slug", slug=AURORA.slug
    )
    world.slug = AURORA.slug
    world.members = {role: demo.USERS[subject] for subject, role in AURORA.roles.items()}
    return world


def test_there_is_somebody_in_every_role_and_somebody_in_two_tenants() -> None:
    assert set(AURORA.roles.values()) == set(TenantRole)
    assert len(demo.TENANTS) == 2
    assert set(AURORA.roles) & set(demo.TENANTS[1].roles)
    assert {name for tenant in demo.TENANTS for name in tenant.roles} == set(demo.USERS)


async def test_every_member_may_do_what_their_role_may(aurora: World) -> None:
    for subject, role in AURORA.roles.items():
        access = await aurora.access(role)
        assert (access.role, access.tenant.name) == (role, AURORA.name)
        assert access.user_name == demo.USERS[subject].name


async def test_seeding_again_changes_no_export(
    aurora: World, resources: dict[Login, Resources], tmp_path: Path
) -> None:
    keeper = resources[Login.MAINTENANCE].transactions
    scope = tmp_path / AURORA.slug / demo.SCOPE
    assert demo.change_export(tmp_path, AURORA.slug)
    before = scope.readlink()
    await demo.seed(keeper, tmp_path)
    assert scope.readlink() == before


async def test_two_syncs_and_drift_find_what_the_demo_promises(
    aurora: World, tmp_path: Path
) -> None:
    for promised in (
        {DriftKind.ADDED: 3, DriftKind.REMOVED: 2, DriftKind.MODIFIED: 5},
        {DriftKind.ADDED: 2, DriftKind.REMOVED: 3, DriftKind.MODIFIED: 5},
    ):
        assert demo.may_change(aurora.slug, await sync(aurora, scope_key=demo.SCOPE))
        assert demo.change_export(tmp_path, aurora.slug)
        await sync(aurora, scope_key=demo.SCOPE)
        found = await findings(aurora, await drift(aurora, demo.SCOPE))
        assert Counter(finding.kind for finding in found.values()) == promised


async def test_only_a_sync_of_the_demos_own_scope_lets_its_export_change(aurora: World) -> None:
    broken = await sync(aurora, scope_key=demo.BROKEN_SCOPE)
    assert broken.status_bucket is StatusBucket.PARTIALLY_SUCCEEDED
    whole = await sync(aurora, scope_key=demo.SCOPE)
    assert demo.may_change(AURORA.slug, whole)
    assert not demo.may_change(AURORA.slug, broken)
    assert not demo.may_change("somebody-elses", whole)
    assert not demo.may_change(AURORA.slug, replace(whole, action="check"))
    assert not demo.may_change(AURORA.slug, replace(whole, context={"scopeKey": "another"}))
    assert not demo.may_change(AURORA.slug, replace(whole, status=RunStatus.FAILED))


def test_an_export_that_somebody_put_there_stays(tmp_path: Path) -> None:
    own = tmp_path / AURORA.slug / demo.SCOPE
    own.mkdir(parents=True)
    (own / "mine.json").write_text("{}")
    assert not demo.change_export(tmp_path, AURORA.slug)
    assert [path.name for path in own.iterdir()] == ["mine.json"]
