"""The demo's history is varied, follows the ledger's rules, and is written once."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from domain.backups import repository as backups_repository
from domain.backups.models import RUN_TYPE as ADD_POLICIES
from domain.drift.models import RUN_TYPE as DRIFT
from domain.drift.models import DriftKind
from domain.inventory.models import RUN_TYPE as SYNC
from domain.lifecycle import StatusBucket
from domain.notifications import repository as notifications_repository
from domain.runs.models import OperationRun, RunFilter
from domain.runs.repository import reading
from domain.runs.repository.reading import Keyset
from domain.tenancy.roles import TenantRole
from opsrun.dev import demo, demo_history
from opsrun.dev.demo_history import write_history
from opsrun.dev.embedded import EmbeddedServers
from opsrun.dev.provision import provision
from opsrun.postgres.engines import Login
from opsrun.resources import Resources, open_resources
from tests.acts import drift, sync
from tests.conftest import settings_for
from tests.databases import SECRET, new_database
from tests.ledger import failures, findings
from tests.world import World

DEFAULT_WINDOW = timedelta(days=30)
ENDS = {StatusBucket.SUCCEEDED, StatusBucket.PARTIALLY_SUCCEEDED, StatusBucket.FAILED}


@pytest.fixture(scope="module")
async def fresh(
    servers: EmbeddedServers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[Login, Resources]]:
    """A database that only `opsrun dev` has used."""
    folder = tmp_path_factory.mktemp("data")
    urls = await provision(await new_database(servers.postgres_url, "history"), SECRET)
    settings = {login: settings_for(url, servers.redis_url, folder) for login, url in urls.items()}
    async with (
        open_resources(settings[Login.API], Login.API) as api,
        open_resources(settings[Login.WORKER], Login.WORKER) as worker,
        open_resources(settings[Login.MAINTENANCE], Login.MAINTENANCE) as maintenance,
    ):
        yield {Login.API: api, Login.WORKER: worker, Login.MAINTENANCE: maintenance}


@pytest.fixture(scope="module")
async def exports(fresh: dict[Login, Resources], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the demo's exports, after the first start."""
    folder = tmp_path_factory.mktemp("exports")
    maintenance = fresh[Login.MAINTENANCE]
    await demo.seed(maintenance.transactions, folder)
    await write_history(maintenance.transactions, maintenance.wakeups)
    return folder


async def demo_world(
    resources: dict[Login, Resources], tenant: demo.DemoTenant, exports: Path
) -> World:
    world = await World.create(resources, exports / tenant.slug)
    [(world.tenant_id,)] = await world.rows(
        "SELECT id FROM opsrun.tenant WHERE slug = :slug", slug=tenant.slug
    )
    world.slug = tenant.slug
    world.members = {role: demo.USERS[subject] for subject, role in tenant.roles.items()}
    return world


@pytest.fixture
async def aurora(fresh: dict[Login, Resources], exports: Path) -> World:
    return await demo_world(fresh, demo.TENANTS[0], exports)


@pytest.fixture(params=demo.TENANTS, ids=lambda tenant: tenant.slug)
async def either(
    fresh: dict[Login, Resources], exports: Path, request: pytest.FixtureRequest
) -> World:
    return await demo_world(fresh, request.param, exports)


async def runs(world: World, within: timedelta = DEFAULT_WINDOW) -> list[OperationRun]:
    """Return the runs, the newest first."""
    window = RunFilter(created_from=datetime.now(UTC) - within)
    page = world.read(reading.page, await world.access(TenantRole.OWNER), window, Keyset(limit=100))
    return list(await page)


async def violations(world: World, condition: str, table: str = "operation_run") -> list[Any]:
    return await world.rows(
        f"SELECT * FROM opsrun.{table} AS it WHERE tenant_id = :tenant_id AND ({condition})"
    )


async def test_runs_of_every_type_and_outcome_span_weeks(aurora: World) -> None:
    listed = await runs(aurora)
    assert {run.run_type for run in listed} == {SYNC, DRIFT, ADD_POLICIES}
    assert {run.status_bucket for run in listed} == ENDS
    assert {run.status_bucket for run in listed if run.run_type == ADD_POLICIES} >= {
        StatusBucket.SUCCEEDED,
        StatusBucket.PARTIALLY_SUCCEEDED,
    }
    assert len({run.initiator.id for run in listed}) == 3
    # Compare times, not dates: mornings a few minutes apart may lie on both sides of midnight.
    ages = [datetime.now(UTC) - run.created_at for run in listed]
    assert len({age.days for age in ages}) >= demo_history.DAYS
    assert ages[0] < timedelta(hours=1)
    assert any(run.attempt == 2 for run in listed)


async def test_failures_are_those_of_broken_exports(aurora: World) -> None:
    newest = next(
        run for run in await runs(aurora) if run.status_bucket is StatusBucket.PARTIALLY_SUCCEEDED
    )
    groups = await failures(aurora, newest)
    assert {failure.reason for failure in groups.values()} == {"INVALID_JSON", "DUPLICATE_ID"}
    assert all(
        newest.created_at <= failure.occurred_at <= newest.finished_at
        for failure in groups.values()
        if newest.finished_at is not None
    )
    whole = [
        (await failures(aurora, run))[None].reason
        for run in await runs(aurora)
        if run.status_bucket is StatusBucket.FAILED
    ]
    assert set(whole) == {"SCOPE_EMPTY", "PROVIDER_UNAVAILABLE"}


async def test_the_newest_drift_has_findings_of_that_time(aurora: World) -> None:
    newest = next(run for run in await runs(aurora) if run.run_type == DRIFT)
    report = await findings(aurora, newest)
    assert {finding.kind for finding in report.values()} == {DriftKind.ADDED, DriftKind.MODIFIED}
    for finding in report.values():
        assert newest.finished_at is not None
        assert newest.created_at <= finding.found_at <= newest.finished_at


async def test_backup_sets_are_older_than_their_copies(aurora: World) -> None:
    access = await aurora.access(TenantRole.READONLY)
    sets = await aurora.read(backups_repository.page, access, after=None, limit=10)
    assert [backup_set.name for backup_set in sets] == ["Update rings", "Security baseline"]
    ids: list[UUID] = [backup_set.id for backup_set in sets]
    copies = await aurora.read(backups_repository.policies, access, ids, after=None, limit=100)
    adding = [run for run in await runs(aurora) if run.run_type == ADD_POLICIES]
    for backup_set in sets:
        assert len(copies[backup_set.id]) == backup_set.policy_count > 5
        for copy in copies[backup_set.id]:
            assert backup_set.created_at < copy.added_at
            assert any(
                run.created_at <= copy.added_at <= run.finished_at
                for run in adding
                if run.finished_at is not None
            )


async def test_old_notifications_are_read_and_new_ones_are_not(aurora: World) -> None:
    access = await aurora.access(TenantRole.OPERATOR)
    notes = await aurora.read(
        notifications_repository.page, access, after=None, unread_only=False, limit=100
    )
    day_ago = datetime.now(UTC) - timedelta(days=1)
    assert {note.read_at is None for note in notes if note.created_at > day_ago} == {True}
    assert {note.read_at is None for note in notes if note.created_at < day_ago} == {False}


async def test_the_history_follows_the_ledgers_rules(either: World) -> None:
    feed = await either.rows(
        "SELECT seq, occurred_at FROM opsrun.run_event WHERE tenant_id = :tenant_id ORDER BY seq"
    )
    [(last, first)] = await either.rows(
        "SELECT seq, min_seq FROM opsrun.tenant_feed WHERE tenant_id = :tenant_id"
    )
    assert [seq for seq, _ in feed] == list(range(first + 1, last + 1))
    assert [at for _, at in feed] == sorted(at for _, at in feed)
    assert await violations(either, "status IN ('pending', 'running')") == []
    for outcome in ("succeeded", "failed", "skipped"):
        items = (
            "SELECT count(*) FROM opsrun.run_item AS item WHERE item.tenant_id = it.tenant_id"
            f" AND item.run_id = it.id AND item.outcome = '{outcome}'"
        )
        assert await violations(either, f"{outcome} <> ({items})") == []
    order = "created_at <= started_at AND started_at <= finished_at AND finished_at <= now()"
    assert await violations(either, f"NOT ({order})") == []
    ended = (
        "SELECT 1 FROM opsrun.run_event AS e WHERE e.tenant_id = it.tenant_id AND e.run_id = it.id"
        " AND e.version = it.version AND e.finished_at = it.finished_at"
        " AND e.started_at = it.started_at AND e.occurred_at >= it.finished_at"
    )
    assert await violations(either, f"NOT EXISTS ({ended})") == []
    assert await violations(either, "true", "outbox") == []


async def test_retention_deletes_none_of_it(either: World) -> None:
    before = await runs(either)
    assert all(run.expires_at is not None and run.expires_at > datetime.now(UTC) for run in before)
    await either.maintenance().purge()
    assert [run.id for run in await runs(either)] == [run.id for run in before]


async def test_a_second_start_adds_nothing(
    either: World, fresh: dict[Login, Resources], exports: Path
) -> None:
    before = [run.id for run in await runs(either)]
    maintenance = fresh[Login.MAINTENANCE]
    await demo.seed(maintenance.transactions, exports)
    await write_history(maintenance.transactions, maintenance.wakeups)
    assert [run.id for run in await runs(either)] == before


async def test_an_interrupted_start_writes_nothing_and_the_next_one_writes_all(
    fresh: dict[Login, Resources],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    slug = "interrupted"
    tenant = demo.DemoTenant(slug, "Interrupted", demo.TENANTS[0].roles)
    monkeypatch.setattr(demo, "TENANTS", (tenant,))
    maintenance = fresh[Login.MAINTENANCE]
    await demo.seed(maintenance.transactions, tmp_path)
    world = await demo_world(fresh, tenant, tmp_path)

    async def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo_history, "move_into_past", interrupted)
    with pytest.raises(KeyboardInterrupt):
        await write_history(maintenance.transactions, maintenance.wakeups)
    assert await runs(world) == []
    monkeypatch.undo()
    monkeypatch.setattr(demo, "TENANTS", (tenant,))
    await write_history(maintenance.transactions, maintenance.wakeups)
    assert len(await runs(world)) > 5
    [(folder,)] = await world.rows("SELECT export_folder FROM opsrun.tenant WHERE id = :tenant_id")
    assert folder == str(tmp_path / slug)


async def test_the_next_sync_continues_the_history(aurora: World) -> None:
    await sync(aurora, scope_key=demo.SCOPE)
    assert await findings(aurora, await drift(aurora, demo.SCOPE)) == {}
    assert demo.change_export(aurora.exports.parent, aurora.slug)
    await sync(aurora, scope_key=demo.SCOPE)
    report = await findings(aurora, await drift(aurora, demo.SCOPE))
    assert Counter(finding.kind for finding in report.values()) == {
        DriftKind.ADDED: 3,
        DriftKind.REMOVED: 2,
        DriftKind.MODIFIED: 5,
    }
