"""The generated exports of the benchmark."""

from pathlib import Path

from bench.work.exports import change_export, write_export
from domain.inventory.models import PolicyRecord
from domain.inventory.records import prepare
from workers.providers.directory import DirectoryProvider

POLICIES = 201


async def hashes(export: Path) -> dict[str, bytes]:
    """Return the content hashes of the policies of its only scope, as a sync reads them."""
    return {
        item.policy_id: item.content_hash
        async for batch in DirectoryProvider(export).policies("scope")
        for item in prepare(batch)[0]
        if isinstance(item, PolicyRecord)
    }


async def test_a_sync_takes_each_policy_as_a_different_one(tmp_path: Path) -> None:
    write_export(tmp_path / "scope", POLICIES)
    read = await hashes(tmp_path)
    assert len(read) == len(set(read.values())) == POLICIES


async def test_one_percent_differs_between_any_two_versions(tmp_path: Path) -> None:
    write_export(tmp_path / "scope", POLICIES)
    versions = [await hashes(tmp_path)]
    for version in (2, 3):
        assert change_export(tmp_path / "scope", POLICIES, version) == 3
        versions.append(await hashes(tmp_path))
    for old, new in ((0, 1), (1, 2), (0, 2)):
        differing = dict(versions[old].items() - versions[new].items())
        assert len(differing) == 3
