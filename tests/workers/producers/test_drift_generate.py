"""Drift generation finds every difference once, and repeating it changes nothing."""

import secrets
from typing import Any

import pytest

from domain.drift import repository as drift_repository
from domain.drift.models import ChangeKind, Comparison, DriftKind
from domain.drift.repository import add
from domain.inventory.repository import policies as inventory
from domain.lifecycle import RunStatus, StatusBucket
from domain.runs.execution import LeaseLostError
from domain.runs.failures import FailureReason
from domain.runs.models import OperationRun, RunCounts, StartOutcome
from domain.runs.repository import reading
from domain.tenancy.roles import TenantRole
from opsrun.dev.demo_policies import write_export
from tests.acts import age, compare_as, complete, drift, export, lose_worker, policy, sync
from tests.ledger import findings, only_failure, reload, skipped
from tests.world import World
from workers.producers import drift_generate

BATCH = 10


async def counts(world: World, run: OperationRun) -> dict[DriftKind, int]:
    comparison = Comparison.of_context(run.context)
    access = await world.access(TenantRole.READONLY)
    counted = await world.read(drift_repository.counts, access, [comparison])
    return dict(counted.get(comparison, {}))


async def purge(world: World, run: OperationRun) -> None:
    """Purge a run, after two newer snapshots have replaced it."""
    for _ in range(2):
        await sync(world)
    await age(world, run.id, days=91)
    await world.maintenance().purge()
    assert await world.read(reading.by_ids, await world.access(), [run.id]) == {}


async def test_every_kind_of_difference_is_a_finding(world: World) -> None:
    await sync(world, policy("same"), policy("gone"), policy("changed", minutes=5, off=True))
    await sync(world, policy("same"), policy("new"), policy("changed", minutes=9, on=True))
    run = await drift(world)
    assert run.status_bucket is StatusBucket.SUCCEEDED
    assert run.counts == RunCounts(total=3, succeeded=3, failed=0, skipped=0)
    by_policy = await findings(world, run)
    assert {key: finding.kind for key, finding in by_policy.items()} == {
        "gone": DriftKind.REMOVED,
        "new": DriftKind.ADDED,
        "changed": DriftKind.MODIFIED,
    }
    assert [(c.path, c.change, c.old, c.new) for c in by_policy["changed"].changes] == [
        ("minutes", ChangeKind.CHANGED, 5, 9),
        ("off", ChangeKind.REMOVED, True, None),
        ("on", ChangeKind.ADDED, None, True),
    ]
    assert by_policy["gone"].policy_name == "Policy gone"
    for key, kind in (("gone", ChangeKind.REMOVED), ("new", ChangeKind.ADDED)):
        assert [(c.path, c.change, c.old or c.new) for c in by_policy[key].changes] == [
            ("displayName", kind, f"Policy {key}"),
            ("id", kind, key),
        ]


async def test_metadata_is_not_drift(world: World) -> None:
    def exported_at(moment: int) -> dict[str, Any]:
        return policy(
            "a",
            **{
                "@odata.context": f"https://graph.example/{moment}",
                "createdDateTime": f"2026-01-{moment:02}T00:00:00Z",
                "lastModifiedDateTime": f"2026-02-{moment:02}T00:00:00Z",
                "version": moment,
                "nested": {"assignments@odata.count": moment, "minutes": 5},
            },
        )

    await sync(world, exported_at(1))
    await sync(world, exported_at(2))
    run = await drift(world)
    assert run.status_bucket is StatusBucket.SUCCEEDED
    assert run.counts == RunCounts(total=0, succeeded=0, failed=0, skipped=0)
    assert await findings(world, run) == {}


async def test_another_notation_of_the_same_settings_is_skipped(world: World) -> None:
    typed = {"@odata.type": "#microsoft.graph.omaSettingString", "omaUri": "./x", "value": "v"}
    untyped = {"omaUri": "./x", "value": "v"}
    await sync(world, policy("a", omaSettings=[typed]), policy("b", minutes=1))
    await sync(world, policy("a", omaSettings=[untyped]), policy("b", minutes=2))
    run = await drift(world)
    assert run.status_bucket is StatusBucket.SUCCEEDED
    assert run.counts == RunCounts(total=2, succeeded=1, failed=0, skipped=1)
    assert set(await findings(world, run)) == {"b"}
    assert await skipped(world, run) == {
        "a": "The two exports write the same settings differently."
    }


async def test_no_secret_is_ever_stored_in_a_finding(world: World) -> None:
    old, new = "old-wifi-key-1", "new-wifi-key-2"
    await sync(world, policy("a", preSharedKey=old), policy("gone", wifi={"preSharedKey": old}))
    await sync(world, policy("a", preSharedKey=new), policy("new", preSharedKey=new))
    by_policy = await findings(world, await drift(world))
    assert {key: finding.kind for key, finding in by_policy.items()} == {
        "a": DriftKind.MODIFIED,
        "gone": DriftKind.REMOVED,
        "new": DriftKind.ADDED,
    }
    (change,) = by_policy["a"].changes
    assert (change.path, change.old, change.new, change.is_secret) == (
        "preSharedKey",
        None,
        None,
        True,
    )
    rows = await world.rows(
        "SELECT changes::text FROM opsrun.drift_finding WHERE tenant_id = :tenant_id"
    )
    assert len(rows) == 3
    assert not [row for row in rows if old in row.changes or new in row.changes]


async def test_the_demo_has_the_drift_of_its_documentation(world: World) -> None:
    write_export(world.exports / "production", 1)
    await sync(world, scope_key="production")
    write_export(world.exports / "production", 2)
    await sync(world, scope_key="production")
    run = await drift(world, "production")
    assert await counts(world, run) == {
        DriftKind.ADDED: 3,
        DriftKind.REMOVED: 2,
        DriftKind.MODIFIED: 5,
    }
    paths = [c.path for f in (await findings(world, run)).values() for c in f.changes]
    assert not [path for path in paths if "[0]" in path]
    nested = "settings[demo_disk_encryption].choiceSettingValue.children[demo_disk_pinlength]"
    assert f"{nested}.simpleSettingValue.value" in paths


class TestARepeatedComparison:
    async def test_finds_nothing_new(self, world: World) -> None:
        await sync(world, policy("a", minutes=1), policy("gone"))
        await sync(world, policy("a", minutes=2))
        first = await drift(world)
        before, counted = await findings(world, first), await counts(world, first)
        second = await drift(world)
        assert second.id != first.id
        assert second.status_bucket is StatusBucket.SUCCEEDED
        assert second.counts == RunCounts(total=2, succeeded=0, failed=0, skipped=2)
        assert await findings(world, second) == before
        assert await counts(world, second) == counted
        assert counted == {DriftKind.MODIFIED: 1, DriftKind.REMOVED: 1}

    async def test_outlives_the_run_that_first_made_the_findings(self, world: World) -> None:
        await sync(world, policy("a", minutes=1))
        await sync(world, policy("a", minutes=2))
        first, second = await drift(world), await drift(world)
        await age(world, first.id, days=91)
        await world.maintenance().purge()
        assert await world.read(reading.by_ids, await world.access(), [first.id]) == {}
        assert set(await findings(world, second)) == {"a"}

    async def test_shares_the_active_run(self, world: World) -> None:
        for minutes in (1, 2):
            await sync(world, policy("a", minutes=minutes))
        access = await world.access()
        first = await compare_as(world, access, "prod")
        again = await compare_as(world, access, "prod")
        assert (again.outcome, again.run.id) == (StartOutcome.REUSED_ACTIVE, first.run.id)

    async def test_is_another_comparison_after_a_later_snapshot(self, world: World) -> None:
        for minutes in (1, 2):
            await sync(world, policy("a", minutes=minutes))
        first = await drift(world)
        await sync(world, policy("a", minutes=2))
        second = await drift(world)
        assert second.counts.total == 0
        assert await counts(world, second) == {}
        assert await counts(world, first) == {DriftKind.MODIFIED: 1}


class TestAPurgedSnapshot:
    async def test_fails_the_run(self, world: World) -> None:
        old = await sync(world, policy("a", minutes=1))
        await sync(world, policy("a", minutes=2))
        started = await compare_as(world, await world.access(), "prod")
        await purge(world, old)
        run = await complete(world, started)
        assert (run.status, run.status_bucket) == (RunStatus.FAILED, StatusBucket.FAILED)
        failure = await only_failure(world, run)
        assert failure.reason == FailureReason.BASELINE_UNAVAILABLE
        assert await findings(world, run) == {}

    @pytest.mark.parametrize("step", ["differences", "documents"])
    async def test_is_not_compared_as_an_empty_one(
        self, world: World, monkeypatch: pytest.MonkeyPatch, step: str
    ) -> None:
        old = await sync(world, policy("a", minutes=1))
        await sync(world, policy("a", minutes=2))
        started = await compare_as(world, await world.access(), "prod")
        read = getattr(inventory, step)

        async def purge_before(*arguments: Any, **more: Any) -> Any:
            await world.write(
                "DELETE FROM opsrun.operation_run WHERE tenant_id = :tenant_id AND id = :run_id",
                run_id=old.id,
            )
            if step == "documents":
                await world.write(
                    "DELETE FROM opsrun.policy_document d WHERE tenant_id = :tenant_id AND"
                    " NOT EXISTS (SELECT 1 FROM opsrun.inventory_policy p"
                    " WHERE p.tenant_id = d.tenant_id AND p.document_hash = d.hash)"
                )
            return await read(*arguments, **more)

        monkeypatch.setattr(inventory, step, purge_before)
        run = await complete(world, started)
        assert (await only_failure(world, run)).reason == FailureReason.BASELINE_UNAVAILABLE
        assert await findings(world, run) == {}


async def test_a_second_attempt_continues(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await sync(world, policy("kept"))
    export(world, policy("kept"), *(policy(f"p{number:02}") for number in range(BATCH + 3)))
    await sync(world)
    started = await compare_as(world, await world.access(), "prod")
    added: list[list[str]] = []

    async def lost_in_the_second_batch(*arguments: Any) -> frozenset[str]:
        added.append([finding.policy_id for finding in arguments[-1]])
        if len(added) == 2:
            raise LeaseLostError
        return await add(*arguments)

    monkeypatch.setattr(drift_generate, "BATCH", BATCH)
    monkeypatch.setattr(drift_generate, "add", lost_in_the_second_batch)
    await world.work(started)
    assert (await reload(world, started.run.id)).counts.succeeded == BATCH
    await lose_worker(world, started.run.id)
    run = await complete(world, started)
    assert (run.attempt, run.status_bucket) == (2, StatusBucket.SUCCEEDED)
    assert run.counts == RunCounts(total=BATCH + 3, succeeded=BATCH + 3, failed=0, skipped=0)
    assert len(await findings(world, run)) == BATCH + 3
    assert added[2:] == added[1:2]


async def test_more_differences_than_a_page_are_all_compared(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drift_generate, "PAGE", 3)
    await sync(world, *(policy(f"p{number}", minutes=1) for number in range(6)), policy("same"))
    await sync(world, *(policy(f"p{number}", minutes=2) for number in range(2, 9)), policy("same"))
    run = await drift(world)
    assert run.counts == RunCounts(total=9, succeeded=9, failed=0, skipped=0)
    by_policy = await findings(world, run)
    assert {key: finding.kind for key, finding in by_policy.items()} == {
        **dict.fromkeys(("p0", "p1"), DriftKind.REMOVED),
        **dict.fromkeys(("p2", "p3", "p4", "p5"), DriftKind.MODIFIED),
        **dict.fromkeys(("p6", "p7", "p8"), DriftKind.ADDED),
    }


async def test_large_documents_are_compared_one_by_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    read = inventory.documents

    async def read_and_count(session: Any, hashes: Any) -> Any:
        sizes.append(len(hashes))
        return await read(session, hashes)

    monkeypatch.setattr(inventory, "documents", read_and_count)
    # Random texts stay large when the database compresses them.
    texts = [secrets.token_hex(200_000) for _ in range(2)]
    for minutes in (1, 2):
        large = [policy(f"large{i}", text=text, minutes=minutes) for i, text in enumerate(texts)]
        await sync(world, *large, policy("small", minutes=minutes), policy("tiny", minutes=minutes))
    run = await drift(world)
    assert run.counts == RunCounts(total=4, succeeded=4, failed=0, skipped=0)
    assert sizes == [2, 2, 4]
