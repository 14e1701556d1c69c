"""Inputs from public bug reports have the outcome that a user expects."""

import json
import shutil
from pathlib import Path

import pytest

from domain.drift.models import ChangeKind, DriftKind
from domain.lifecycle import StatusBucket
from domain.runs.failures import FailureReason
from domain.runs.models import OperationRun, RunCounts
from tests.acts import drift, export, sync
from tests.ledger import findings, only_failure, policies, skipped
from tests.world import World

CASES = Path(__file__).parents[4] / "shared" / "data" / "field-cases"

pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the field cases are not here")


async def sync_files(world: World, *files: str) -> OperationRun:
    """Sync a scope that holds copies of these files."""
    folder = export(world)
    for file in files:
        # The versions of a policy are the same file of the export.
        name = "policy.json" if Path(file).stem in ("before", "after", "whole", "truncated") else ""
        shutil.copyfile(CASES / file, folder / (name or Path(file).name))
    return await sync(world)


async def drift_of(world: World, case: str) -> dict[str, list[tuple[str, ChangeKind, bool]]]:
    """Sync before and after, and return the changes of each finding; all are MODIFIED."""
    for file in ("before.json", "after.json"):
        run = await sync_files(world, f"{case}/{file}")
        assert run.status_bucket is StatusBucket.SUCCEEDED
    run = await drift(world)
    assert run.status_bucket is StatusBucket.SUCCEEDED
    by_policy = await findings(world, run)
    assert run.counts.succeeded == len(by_policy)
    assert {finding.kind for finding in by_policy.values()} <= {DriftKind.MODIFIED}
    return {
        key: [(change.path, change.change, change.is_secret) for change in finding.changes]
        for key, finding in by_policy.items()
    }


@pytest.mark.parametrize(
    ("case", "changes"),
    [
        (
            "exclusion",
            [("assignments[g1].target.@odata.type", ChangeKind.CHANGED, False)],
        ),
        (
            "all-devices-to-all-users",
            [
                ("assignments[allDevicesAssignmentTarget]", ChangeKind.REMOVED, False),
                ("assignments[allLicensedUsersAssignmentTarget]", ChangeKind.ADDED, False),
            ],
        ),
        (
            "other-template",
            [("definitionValues[v1].definition@odata.bind", ChangeKind.CHANGED, False)],
        ),
        ("secret-changed", [("preSharedKey", ChangeKind.CHANGED, True)]),
    ],
)
async def test_a_change_of_meaning_is_one_finding(
    world: World, case: str, changes: list[tuple[str, ChangeKind, bool]]
) -> None:
    policy_id = json.loads((CASES / case / "after.json").read_text())["id"]
    assert await drift_of(world, case) == {policy_id: changes}


@pytest.mark.parametrize("case", ["order-of-assignments", "nothing-said"])
async def test_an_equivalent_export_has_no_finding(world: World, case: str) -> None:
    assert await drift_of(world, case) == {}


async def test_a_truncated_document_is_a_failed_item_and_does_not_become_the_baseline(
    world: World,
) -> None:
    whole = await sync_files(world, "truncated/whole.json")
    assert whole.status_bucket is StatusBucket.SUCCEEDED
    (export(world) / "other.json").write_text(
        json.dumps({"@odata.type": "#microsoft.graph.a", "id": "other", "name": "Other"})
    )
    shutil.copyfile(CASES / "truncated/truncated.json", world.exports / "prod" / "policy.json")
    run = await sync(world)
    assert run.status_bucket is StatusBucket.PARTIALLY_SUCCEEDED
    failure = await only_failure(world, run)
    assert (failure.item_key, failure.reason) == ("policy.json", FailureReason.INCOMPLETE_POLICY)
    assert "1 of 2 settings" in failure.message
    assert {policy.run_id for policy in await policies(world)} == {whole.id}


async def test_a_duplicate_key_is_a_failed_item(world: World) -> None:
    run = await sync_files(world, "duplicate-keys/broken.json")
    failure = await only_failure(world, run)
    assert (failure.item_key, failure.reason) == ("broken.json", FailureReason.INVALID_JSON)
    assert "'id'" in failure.message


async def test_side_files_are_skipped_by_name(world: World) -> None:
    files = sorted(path.name for path in (CASES / "side-file").iterdir())
    run = await sync_files(world, *(f"side-file/{name}" for name in files))
    assert run.status_bucket is StatusBucket.SUCCEEDED
    assert run.counts == RunCounts(total=3, succeeded=1, failed=0, skipped=2)
    assert set(await skipped(world, run)) == {"MigrationTable.json", "policy_Settings.json"}
