"""What a run of the tests reports before it begins."""

from pathlib import Path

import pytest

from tests import forecast
from tests.installing import ROOT


class Config:
    """What the forecast reads of pytest's configuration."""

    def __init__(self, *args: str, keyword: str = "") -> None:
        self.args = [str(ROOT / argument) for argument in args]
        self.option = self
        self.keyword = keyword
        self.markexpr = ""
        self.deselect: list[str] = []


@pytest.mark.parametrize(
    ("config", "whole", "some"),
    [
        (Config("tests"), list(forecast.SECONDS), []),
        (Config("tests/gql", "tests/domain/runs"), ["tests/gql"], ["tests/domain"]),
        (Config("tests/gql/test_ids.py::test_one"), [], ["tests/gql"]),
        (Config("tests/gql", keyword="roles"), [], ["tests/gql"]),
        (Config("tests/test_databases.py"), [], []),
    ],
)
def test_folders_that_run_as_a_whole_have_an_estimate(
    config: Config, whole: list[str], some: list[str]
) -> None:
    assert forecast.parts(config) == (whole, some)  # type: ignore[arg-type]


def test_every_folder_with_tests_has_one(pytestconfig: pytest.Config) -> None:
    folders = {path for path in pytestconfig.getini("testpaths") if not path.endswith(".py")}
    assert {*forecast.SECONDS} == folders


@pytest.mark.parametrize(
    ("script", "answers"),
    [
        ("exit 0", True),
        ("echo 'npm error code E404' >&2; exit 1", True),
        ("echo 'npm error code ENOTFOUND' >&2; exit 1", False),
    ],
)
def test_a_registry_that_refuses_a_ping_still_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, answers: bool
) -> None:
    (tmp_path / "npm").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert forecast.registry_answers() is answers
