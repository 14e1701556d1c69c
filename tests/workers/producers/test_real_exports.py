"""Three releases of a public Intune baseline are synced and compared as a tenant does."""

import shutil
from collections import Counter
from pathlib import Path

import pytest

from domain.drift.models import ChangeKind, DriftFinding, DriftKind
from domain.lifecycle import StatusBucket
from domain.runs.models import RunCounts
from tests.acts import drift, sync
from tests.ledger import findings
from tests.world import World

EXPORTS = Path(__file__).parents[4] / "shared" / "data" / "policy-exports"

pytestmark = pytest.mark.skipif(not EXPORTS.is_dir(), reason="the real exports are not here")


async def sync_release(world: World, release: str) -> RunCounts:
    folder = world.exports / "windows"
    # Copy only contents, because the originals and their folders are read-only.
    for source in (EXPORTS / f"windows-v{release}").rglob("*.json"):
        target = world.exports / release / source.relative_to(EXPORTS / f"windows-v{release}")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    folder.unlink(missing_ok=True)
    folder.symlink_to(release)
    run = await sync(world, scope_key="windows")
    assert run.status_bucket is StatusBucket.SUCCEEDED
    return run.counts


async def generate(world: World) -> dict[str, DriftFinding]:
    run = await drift(world, "windows")
    by_policy = await findings(world, run)
    assert run.status_bucket is StatusBucket.SUCCEEDED
    assert run.counts == RunCounts(
        total=len(by_policy), succeeded=len(by_policy), failed=0, skipped=0
    )
    assert not [c for finding in by_policy.values() for c in finding.changes if c.is_secret]
    return {finding.policy_name: finding for finding in by_policy.values()}


def kinds(by_name: dict[str, DriftFinding]) -> Counter[DriftKind]:
    return Counter(finding.kind for finding in by_name.values())


def paths(by_name: dict[str, DriftFinding]) -> list[str]:
    return [change.path for finding in by_name.values() for change in finding.changes]


async def test_the_drift_between_releases_is_known(world: World) -> None:
    assert await sync_release(world, "3.3") == RunCounts(65, 65, 0, 0)
    assert await sync_release(world, "3.4") == RunCounts(64, 64, 0, 0)
    by_name = await generate(world)
    assert kinds(by_name) == {
        DriftKind.ADDED: 27,
        DriftKind.REMOVED: 28,
        DriftKind.MODIFIED: 27,
    }
    assert not [path for path in paths(by_name) if "[0]" in path]
    store = by_name["Win - OIB - SC - Microsoft Store - D - Configuration - v3.4"]
    assert [(change.path, change.change) for change in store.changes] == [
        ("name", ChangeKind.CHANGED),
        (
            "settings[device_vendor_msft_policy_config_applicationmanagement"
            "_blocknonadminuserinstall]",
            ChangeKind.ADDED,
        ),
    ]
    rights = "settings[device_vendor_msft_policy_config_userrights_changetimezone]"
    assert f"{rights}.simpleSettingCollectionValue[*S-1-5-19]" in paths(by_name)

    assert await sync_release(world, "3.5") == RunCounts(65, 65, 0, 0)
    by_name = await generate(world)
    assert kinds(by_name) == {DriftKind.ADDED: 2, DriftKind.REMOVED: 1, DriftKind.MODIFIED: 5}
    assert not [path for path in paths(by_name) if "[0]" in path]
    hello = by_name["Win - OIB - SC - Windows Hello for Business - D - Cloud Kerberos Trust - v3.5"]
    assert (
        "settings[device_vendor_msft_policy_config_kerberos_cloudkerberosticketretrievalenabled]"
        in [change.path for change in hello.changes]
    )
