"""Exports of every format are synced and compared as a tenant does."""

import json
from pathlib import Path

import pytest

from domain.drift.models import DriftKind
from domain.inventory.models import PolicyFormat
from domain.inventory.policies import parse_policy
from domain.inventory.repository.policies import format_counts
from domain.lifecycle import StatusBucket
from domain.runs.failures import FailureReason
from domain.runs.models import OperationRun, RunCounts
from tests.acts import drift, export, sync
from tests.ledger import failures, findings, policies, skipped
from tests.workers.producers.exported_policies import CASES, CATALOG, Case, to_yaml
from tests.world import World

REAL = Path(__file__).parents[4] / "shared" / "data" / "policy-exports"
CD_YAML = PolicyFormat.INTUNE_CD_YAML


def put(world: World, file: str, text: str) -> Path:
    path = world.exports / "prod" / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


async def succeeded(world: World) -> OperationRun:
    run = await sync(world)
    assert (run.status_bucket, run.counts.failed) == (StatusBucket.SUCCEEDED, 0)
    return run


async def formats(world: World, run: OperationRun) -> dict[PolicyFormat, int]:
    counts = await world.read(format_counts, await world.access(), [run.id])
    return dict(counts[run.id])


@pytest.mark.parametrize("example", CASES, ids=lambda example: f"{example.format}-{example.file}")
async def test_one_changed_setting_is_the_only_change_even_in_a_renamed_file(
    world: World, example: Case
) -> None:
    before = put(world, example.file, example.before)
    await succeeded(world)
    [policy] = await policies(world)
    before.unlink()
    put(world, f"{Path(example.file).parent}/renamed{before.suffix}", example.after)
    run = await succeeded(world)
    assert await formats(world, run) == {example.format: 1}
    assert [listed.policy_id for listed in await policies(world)] == [policy.policy_id]
    by_policy = await findings(world, await drift(world))
    assert {
        key: [(finding.kind, change.path, change.change) for change in finding.changes]
        for key, finding in by_policy.items()
    } == {policy.policy_id: [(DriftKind.MODIFIED, example.path, example.kind)]}


async def test_a_mixed_folder_is_synced_and_says_its_formats(world: World) -> None:
    chosen = {example.format: example for example in CASES}
    for number, example in enumerate(chosen.values()):
        put(world, f"{number}/{example.file}", example.before)
    for file, text in {
        "Assignment Report/report.yaml": to_yaml([{"groupName": "g", "assignedTo": {}}]),
        "Autopilot Devices/device.json": "{}",
        "Activation Lock Bypass Codes/codes.json": '{"activationLockBypassCode": "secret"}',
        "__archive__/old.json": "{",
        "azure-pipelines.yml": "pool: {}",
        "MigrationTable.json": "{}",
        "auth.json": '{"params": {"CLIENT_SECRET": "secret"}}',
        "Partner Connections/Compliance/partner.yaml": "displayName: Partner",
    }.items():
        put(world, file, text)
    run = await succeeded(world)
    assert run.counts == RunCounts(total=13, succeeded=5, failed=0, skipped=8)
    assert await formats(world, run) == dict.fromkeys(PolicyFormat, 1)
    reasons = await skipped(world, run)
    assert all(reason and reason.startswith("Ignored by default: ") for reason in reasons.values())
    assert reasons["Assignment Report"] == "Ignored by default: Assignment Report/"
    assert not [reason for reason in reasons.values() if reason and "secret" in reason]


async def test_documents_with_the_same_derived_identity_all_fail(world: World) -> None:
    twins = {
        "Settings Catalog/Screen lock_mdm.json": json.dumps(CATALOG),
        "Settings Catalog/Screen lock_mdm.yaml": to_yaml({**CATALOG, "description": "Another"}),
    }
    for file, text in twins.items():
        put(world, file, text)
    put(world, "other.json", json.dumps({**CATALOG, "platforms": "macOS"}))
    run = await sync(world)
    assert run.counts == RunCounts(total=3, succeeded=1, failed=2, skipped=0)
    by_file = await failures(world, run)
    assert {key: failure.reason for key, failure in by_file.items()} == dict.fromkeys(
        twins, FailureReason.DUPLICATE_ID
    )
    for file, other in zip(twins, reversed(twins), strict=True):
        assert other in by_file[file].message


async def test_a_hostile_yaml_file_is_one_failed_item(world: World) -> None:
    bomb = "\n".join(
        f"l{level}: &l{level} [{', '.join([member] * 10)}]"
        for level, member in enumerate(["x", *(f"*l{level}" for level in range(20))])
    )
    put(world, "bomb.yaml", bomb)
    put(world, "code.yaml", "!!python/object/apply:os.system ['touch /tmp/never']")
    put(world, "deep.yml", "- " * 1000 + "x")
    put(world, "good.yaml", to_yaml(CATALOG))
    run = await sync(world)
    assert run.counts == RunCounts(total=4, succeeded=1, failed=3, skipped=0)
    assert {key: failure.reason for key, failure in (await failures(world, run)).items()} == {
        "bomb.yaml": FailureReason.FILE_TOO_LARGE,
        "code.yaml": FailureReason.INVALID_YAML,
        "deep.yml": FailureReason.INVALID_POLICY,
    }


async def test_a_yaml_export_without_some_of_its_settings_is_incomplete(world: World) -> None:
    put(world, "cut.yaml", to_yaml({**CATALOG, "settings": CATALOG["settings"][:1]}))  # type: ignore[index]
    [failure] = (await failures(world, await sync(world))).values()
    assert failure.reason == FailureReason.INCOMPLETE_POLICY
    assert "1 of 2 settings" in failure.message


@pytest.mark.skipif(not REAL.is_dir(), reason="the real exports are not here")
async def test_real_exports_have_the_known_drift_in_yaml_and_without_ids(world: World) -> None:
    # What IntuneCD removes.
    removed = ("id", "version", "createdDateTime", "lastModifiedDateTime", "@odata.context")
    for release in ("3.4", "3.5"):
        export(world)
        for number, file in enumerate(sorted((REAL / f"windows-v{release}").rglob("*.json"))):
            body = parse_policy(file.read_bytes())
            kept = {key: value for key, value in body.items() if key not in removed}
            put(world, f"{number:02}.yaml", to_yaml(kept))
        run = await succeeded(world)
        assert await formats(world, run) == {CD_YAML: run.counts.total}
    assert run.counts.total == 65
    by_policy = await findings(world, await drift(world))
    kinds = [finding.kind for finding in by_policy.values()]
    # By id, 2 are new, 1 is gone and 5 have changed. Those 5 were renamed as well, so without an id
    # they are other policies.
    assert (kinds.count(DriftKind.ADDED), kinds.count(DriftKind.REMOVED)) == (2 + 5, 1 + 5)
    assert len(kinds) == 13
