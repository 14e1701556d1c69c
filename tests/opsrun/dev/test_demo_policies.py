"""The demo's export is reproducible, replaced atomically, and has the promised drift."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from domain.drift.compare import changes
from domain.inventory.content import content_hash, normalize
from domain.inventory.duplicates import duplicates
from domain.inventory.models import PolicyRecord
from domain.inventory.policies import parse_policy
from domain.inventory.provider import NotTaken, PolicyDocument
from domain.inventory.records import prepare
from domain.runs.failures import FailureReason
from opsrun.dev.demo_policies import write_export
from workers.providers.directory import DirectoryProvider


async def read(folder: Path, scope_key: str) -> list[PolicyRecord | NotTaken]:
    batches = DirectoryProvider(folder).policies(scope_key)
    return [item async for batch in batches for item in prepare(batch)[0]]


async def synced(folder: Path, scope_key: str) -> dict[str, Any]:
    bodies = [
        parse_policy(item.content)
        async for batch in DirectoryProvider(folder).policies(scope_key)
        for item in batch
        if isinstance(item, PolicyDocument)
    ]
    return {body["id"]: normalize(body) for body in bodies}


async def test_two_versions_drift_as_promised(tmp_path: Path) -> None:
    write_export(tmp_path / "production", 1)
    old = await synced(tmp_path, "production")
    write_export(tmp_path / "production", 2)
    new = await synced(tmp_path, "production")
    assert (len(old), len(new)) == (37, 38)
    assert (len(new.keys() - old.keys()), len(old.keys() - new.keys())) == (3, 2)
    both = old.keys() & new.keys()
    modified = [key for key in both if content_hash(old[key]) != content_hash(new[key])]
    assert len(modified) == 5
    paths = [change.path for key in modified for change in changes(old[key], new[key])]
    assert "osMinimumVersion" in paths
    nested = "settings[demo_disk_encryption].choiceSettingValue.children[demo_disk_pinlength]"
    assert f"{nested}.simpleSettingValue.value" in paths


async def test_an_export_is_the_same_every_time(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_export(tmp_path / name, 1, broken=True)
    contents = [
        {
            path.relative_to((tmp_path / name).resolve()): path.read_bytes()
            for path in (tmp_path / name).resolve().rglob("*.json")
        }
        for name in ("a", "b")
    ]
    assert contents[0] == contents[1]
    assert len(contents[0]) == 37 + 5


async def test_the_broken_export_is_partly_valid(tmp_path: Path) -> None:
    write_export(tmp_path / "partial", 1, broken=True)
    items = await read(tmp_path, "partial")
    failures = duplicates(item for item in items if isinstance(item, PolicyRecord))
    failures |= {
        item.key: item.failure for item in items if isinstance(item, NotTaken) and item.failure
    }
    entries = {
        item.key: failures[item.key].reason if item.key in failures else None for item in items
    }
    assert {key: value for key, value in entries.items() if key.startswith("imported/")} == {
        "imported/bom.json": None,
        "imported/cut-off.json": FailureReason.INVALID_JSON,
        "imported/twin (copy).json": FailureReason.DUPLICATE_ID,
        "imported/twin.json": FailureReason.DUPLICATE_ID,
        "imported/utf-16.json": None,
    }
    assert set(list(entries.values())[:5]) == {None}


async def test_a_reader_keeps_the_export_that_it_opened(tmp_path: Path) -> None:
    write_export(tmp_path / "production", 1)
    old = await synced(tmp_path, "production")
    reading = DirectoryProvider(tmp_path).policies("production")
    items, _ = prepare(await anext(reading))
    write_export(tmp_path / "production", 2)
    items += [item async for batch in reading for item in prepare(batch)[0]]
    assert {item.policy_id for item in items if isinstance(item, PolicyRecord)} == old.keys()
    assert len(items) == len(old)


async def test_a_sync_during_the_swap_sees_one_complete_export(tmp_path: Path) -> None:
    write_export(tmp_path / "production", 1)
    for version in (2, 1, 2, 1):
        items, _ = await asyncio.gather(
            read(tmp_path, "production"),
            asyncio.to_thread(write_export, tmp_path / "production", version),
        )
        assert [item.key for item in items if isinstance(item, NotTaken)] == []
        assert len(items) in (37, 38)


async def test_old_exports_are_removed_and_other_scopes_stay(tmp_path: Path) -> None:
    write_export(tmp_path / "prod.eu", 1)
    for version in (1, 2, 1, 2):
        write_export(tmp_path / "prod", version)
    assert len(list((tmp_path / ".exports" / "prod").iterdir())) == 2
    provider = DirectoryProvider(tmp_path)
    assert await provider.scopes() == ["prod", "prod.eu"]
    assert len(await read(tmp_path, "prod.eu")) == 37


def test_a_real_folder_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.json").write_text("{}")
    with pytest.raises(FileExistsError, match="left alone"):
        write_export(tmp_path / "mine", 1)
    assert (tmp_path / "mine" / "a.json").read_text() == "{}"
