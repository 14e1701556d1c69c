"""Versions of the documentation stay beside each other; the newest release is the first page."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsrun.dev.docs_versions import publish


def add(target: Path, *versions: str) -> None:
    """Build pages that hold their version, in this order."""
    for version in versions:
        (target / version).mkdir()
        (target / version / "index.html").write_text(version)
        publish(target)


def listed(target: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield each version of the list, with its aliases."""
    for entry in json.loads((target / "versions.json").read_text()):
        assert entry["title"] == entry["version"]
        yield entry["version"], entry["aliases"]


def test_versions_are_sorted_as_versions_and_not_by_time(tmp_path: Path) -> None:
    add(tmp_path, "0.10.0", "0.9.0", "0.9.1", "0.11.0rc1")
    assert [*listed(tmp_path)] == [
        ("0.11.0rc1", []),
        ("0.10.0", ["latest"]),
        ("0.9.1", []),
        ("0.9.0", []),
    ]
    for version, _ in listed(tmp_path):
        assert (tmp_path / version / "index.html").read_text() == version


@pytest.mark.parametrize(
    ("built", "newest"),
    [
        (["0.10.0", "0.9.0"], "0.10.0"),
        (["1.0.0", "1.1.0rc2"], "1.0.0"),
        (["1.0.0rc10", "1.0.0rc9"], "1.0.0rc10"),
        (["1.0.0rc1", "1.0.0", "1.0.1.dev3"], "1.0.0"),
    ],
)
def test_the_root_leads_to_the_newest_release(
    tmp_path: Path, built: list[str], newest: str
) -> None:
    add(tmp_path, *built)
    assert "url=latest/" in (tmp_path / "index.html").read_text()
    assert (tmp_path / "latest" / "index.html").read_text() == newest


def test_pages_that_the_newest_release_dropped_leave_latest(tmp_path: Path) -> None:
    add(tmp_path, "1.0.0")
    (tmp_path / "latest" / "dropped").mkdir()
    add(tmp_path, "1.1.0")
    assert [path.name for path in (tmp_path / "latest").iterdir()] == ["index.html"]


def test_folders_that_are_no_versions_are_not_listed(tmp_path: Path) -> None:
    (tmp_path / "drafts").mkdir()
    (tmp_path / "drafts" / "index.html").touch()
    add(tmp_path, "1.0.0")
    assert [*listed(tmp_path)] == [("1.0.0", ["latest"])]
