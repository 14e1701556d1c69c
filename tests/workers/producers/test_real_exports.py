"""Three releases of a public Intune baseline, synced and compared as tenants would."""

import shutil
from collections import Counter
from pathlib import Path

import pytest

from domain.drift.models import ChangeKind, DriftFinding, DriftKind
from domain.lifecycle import StatusBucket
from domain.runs.models import RunCounts
from tests.working import drift, findings, sync
from tests.world import World

EXPORTS = Path(__file__).parents[4] / "shared" / "data" / "policy-exports"

pytestmark = pytest.mark.skipif(not EXPORTS.is_dir(), reason="the real exports are not here")


async def sync_release(world: World, release: str) -> RunCounts:
    folder = world.exports / "windows"
    # Only the contents: the originals are read-only, folders too.
    for source in (EXPORTS / f"windows-v{release}").rglob("*.json"):
        target = world.exports / release / source.relative_to(EXPORTS / f"windows-v{release}")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    folder.unlink(missing_ok=True)
    folder.symlink_to(release)
    run = await sync(world, scope_key="windows")
    assert run.status_bucket is StatusBucket.SUCCEEDED
    return run.counts


async def generated(world: World) -> dict[str, DriftFinding]:
    run = await drift(world, "windows")
    found = await findings(world, run)
    assert run.status_bucket is StatusBucket.SUCCEEDED
    assert run.counts == RunCounts(total=len(found), succeeded=len(found), failed=0, skipped=0)
    assert not [c for finding in found.values() for c in finding.changes if c.is_secret]
    return {finding.policy_name: finding for finding in found.values()}


def kinds(found: dict[str, DriftFinding]) -> Counter[DriftKind]:
    return Counter(finding.kind for finding in found.values())


def paths(found: dict[str, DriftFinding]) -> list[str]:
    return [change.path for finding in found.values() for change in finding.changes]


async def test_drift_between_releases(world: World) -> None:
    assert await sync_release(world, "3.3") == RunCounts(65, 65, 0, 0)
    assert await sync_release(world, "3.4") == RunCounts(64, 64, 0, 0)
    found = await generated(world)
    assert kinds(found) == {
        DriftKind.ADDED: 27,
        DriftKind.REMOVED: 28,
        DriftKind.MODIFIED: 27,
    }
    assert not [path for path in paths(found) if "[0]" in path]
    store = found["Win - OIB - SC - Microsoft Store - D - Configuration - v3.4"]
    assert [(change.path, change.change) for change in store.changes] == [
        ("name", ChangeKind.CHANGED),
        (
            "settings[device_vendor_msft_policy_config_applicationmanagement"
            "_blocknonadminuserinstall]",
            ChangeKind.ADDED,
        ),
    ]
    rights = "settings[device_vendor_msft_policy_config_userrights_changetimezone]"
    assert f"{rights}.simpleSettingCollectionValue[*S-1-5-19]" in paths(found)

    assert await sync_release(world, "3.5") == RunCounts(65, 65, 0, 0)
    found = await generated(world)
    assert kinds(found) == {DriftKind.ADDED: 2, DriftKind.REMOVED: 1, DriftKind.MODIFIED: 5}
    assert not [path for path in paths(found) if "[0]" in path]
    hello = found["Win - OIB - SC - Windows Hello for Business - D - Cloud Kerberos Trust - v3.5"]
    assert (
        "settings[device_vendor_msft_policy_config_kerberos_cloudkerberosticketretrievalenabled]"
        in [change.path for change in hello.changes]
    )
