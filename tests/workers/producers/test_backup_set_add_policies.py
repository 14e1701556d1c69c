"""Each policy is copied into a backup set once, and the copy stays as long as the set."""

from typing import Any

import pytest

from domain.backups import repository as backups_repository
from domain.backups.models import BackedUpPolicy, BackupSet
from domain.backups.repository import copy_policies
from domain.lifecycle import RunStatus, StatusBucket
from domain.runs.execution import LeaseLostError
from domain.runs.failures import FailureReason
from domain.runs.models import RunCounts
from domain.runs.repository import reading
from domain.tenancy.roles import TenantRole
from tests.acts import add_as, age, back_up, backup_set, complete, export, lose_worker, policy, sync
from tests.ledger import failures, only_failure, reload
from tests.world import World
from workers.producers import backup_set_add_policies
from workers.producers.backup_set_add_policies import BATCH


async def copies(world: World, target: BackupSet) -> list[BackedUpPolicy]:
    access = await world.access(TenantRole.READONLY)
    pages = await world.read(
        backups_repository.policies, access, [target.id], after=None, limit=1000
    )
    return list(pages.get(target.id, ()))


async def document_count(world: World) -> int:
    rows = await world.rows(
        "SELECT count(*) FROM opsrun.policy_document WHERE tenant_id = :tenant_id"
    )
    return int(rows[0].count)


async def test_each_policy_succeeds_is_skipped_or_fails_alone(world: World) -> None:
    await sync(world, policy("a"), policy("b"))
    target = await backup_set(world)
    assert (await back_up(world, target, "a")).status_bucket is StatusBucket.SUCCEEDED
    run = await back_up(world, target, "a", "b", "missing")
    assert run.status_bucket is StatusBucket.PARTIALLY_SUCCEEDED
    assert run.counts == RunCounts(total=3, succeeded=1, failed=1, skipped=1)
    by_item = await failures(world, run)
    assert {key: failure.reason for key, failure in by_item.items()} == {
        "prod/missing": FailureReason.POLICY_NOT_FOUND
    }
    assert "Sync the scope" in by_item["prod/missing"].message
    assert [
        (c.scope_key, c.policy_id, c.name, c.policy_type) for c in await copies(world, target)
    ] == [
        ("prod", "a", "Policy a", "windows10CompliancePolicy"),
        ("prod", "b", "Policy b", "windows10CompliancePolicy"),
    ]


async def test_a_second_run_skips_all(world: World) -> None:
    await sync(world, policy("a"), policy("b"))
    target = await backup_set(world)
    await back_up(world, target, "a", "b")
    before = await copies(world, target)
    again = await back_up(world, target, "a", "b")
    assert again.status_bucket is StatusBucket.SUCCEEDED
    assert again.counts == RunCounts(total=2, succeeded=0, failed=0, skipped=2)
    assert await copies(world, target) == before


async def test_a_copy_does_not_change_with_its_policy(world: World) -> None:
    await sync(world, policy("a", minutes=1))
    target = await backup_set(world)
    await back_up(world, target, "a")
    await sync(world, policy("a", minutes=2))
    await back_up(world, target, "a")
    (copy,) = await world.rows(
        "SELECT body FROM opsrun.backup_set_policy JOIN opsrun.policy_document"
        " ON policy_document.tenant_id = backup_set_policy.tenant_id AND hash = document_hash"
        " WHERE backup_set_policy.tenant_id = :tenant_id"
    )
    assert copy.body == policy("a", minutes=1)


async def test_one_run_copies_policies_of_several_scopes(world: World) -> None:
    await sync(world, policy("a", minutes=1))
    await sync(world, policy("a", minutes=2), scope_key="test")
    target = await backup_set(world)
    chosen = [("prod", "a"), ("test", "a"), ("never-synced", "a")]
    starting = add_as(world, await world.access(), target.id, chosen)
    run = await complete(world, await starting)
    assert run.counts == RunCounts(total=3, succeeded=2, failed=1, skipped=0)
    assert set(await failures(world, run)) == {"never-synced/a"}
    assert [(c.scope_key, c.policy_id) for c in await copies(world, target)] == [
        ("prod", "a"),
        ("test", "a"),
    ]


async def test_a_run_that_copies_nothing_fails(world: World) -> None:
    run = await back_up(world, await backup_set(world), "a")
    assert run.status is RunStatus.COMPLETED_WITH_ERRORS
    assert run.status_bucket is StatusBucket.FAILED


async def test_a_deleted_set_fails_the_run(world: World) -> None:
    await sync(world, policy("a"))
    target = await backup_set(world)
    starting = add_as(world, await world.access(), target.id, [("prod", "a")])
    started = await starting
    await world.write("DELETE FROM opsrun.backup_set WHERE tenant_id = :tenant_id")
    run = await complete(world, started)
    assert (run.status, run.status_bucket) == (RunStatus.FAILED, StatusBucket.FAILED)
    failure = await only_failure(world, run)
    assert (failure.item_key, failure.reason) == (None, FailureReason.BACKUP_SET_NOT_FOUND)


async def test_a_second_attempt_continues(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [f"p{number:03}" for number in range(BATCH + 3)]
    await sync(world, *(policy(policy_id) for policy_id in ids))
    target = await backup_set(world)
    chosen = [("prod", policy_id) for policy_id in [*ids, "p000-missing"]]
    started = await add_as(world, await world.access(), target.id, chosen)
    copied: list[list[str]] = []

    async def lost_in_the_second_batch(*arguments: Any, **options: Any) -> Any:
        copied.append(options["policy_ids"])
        if len(copied) == 2:
            raise LeaseLostError
        return await copy_policies(*arguments, **options)

    monkeypatch.setattr(backup_set_add_policies, "copy_policies", lost_in_the_second_batch)
    await world.work(started)
    halfway = (await reload(world, started.run.id)).counts
    assert halfway == RunCounts(total=BATCH + 4, succeeded=BATCH - 1, failed=1, skipped=0)
    await lose_worker(world, started.run.id)
    run = await complete(world, started)
    assert run.attempt == 2
    assert run.counts == RunCounts(total=BATCH + 4, succeeded=BATCH + 3, failed=1, skipped=0)
    assert [copy.policy_id for copy in await copies(world, target)] == ids
    assert copied[2:] == copied[1:2]


async def test_a_copy_outlives_the_sync_of_its_policy(world: World) -> None:
    first = await sync(world, policy("a", minutes=1), policy("b", minutes=1))
    target = await backup_set(world)
    await back_up(world, target, "a")
    for minutes in (2, 3):
        export(world, policy("a", minutes=minutes), policy("b", minutes=minutes))
        await sync(world)
    assert await document_count(world) == 6
    await age(world, first.id, days=91)
    await world.write(
        "UPDATE opsrun.policy_document SET stored_at = stored_at - interval '9 days'"
        " WHERE tenant_id = :tenant_id"
    )
    await world.maintenance().purge()
    assert await world.read(reading.by_ids, await world.access(), [first.id]) == {}
    # Only the document that the set refers to is left of the first sync.
    assert await document_count(world) == 5
    (copy,) = await copies(world, target)
    assert (copy.policy_id, copy.name) == ("a", "Policy a")
