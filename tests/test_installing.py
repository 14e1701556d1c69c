"""Clients' packages are installed once, and a failure reaches every test that needs them."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.installing import INSTALLATIONS, call, install


def test_it_is_installed_once_however_many_wait_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def create(folder: Path) -> Path:
        calls.append(folder)
        (folder / "program").touch()
        return folder / "program"

    monkeypatch.setitem(INSTALLATIONS, "tools", create)
    with ThreadPoolExecutor(4) as pool:
        places = {*pool.map(lambda _: install(tmp_path, "tools"), range(8))}
    assert places == {calls[0] / "program"}
    assert places.pop().exists()
    assert len(calls) == 1


def test_what_was_interrupted_starts_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(INSTALLATIONS, "tools", lambda folder: folder)
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "half a file").touch()
    assert list(install(tmp_path, "tools").iterdir()) == []


def test_a_failure_is_reported_to_all_and_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def fail(folder: Path) -> Path:
        calls.append(folder)
        call(folder, "sh", "-c", "echo no such package; exit 3")
        raise NotImplementedError

    monkeypatch.setitem(INSTALLATIONS, "tools", fail)
    for _ in range(2):
        with pytest.raises(AssertionError, match="no such package"):
            install(tmp_path, "tools")
    assert len(calls) == 1
