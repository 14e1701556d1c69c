"""Ignore rules follow `.gitignore`, come after defaults, and match in linear time."""

import time
import unicodedata
from pathlib import Path

import pytest

from domain.runs.failures import FailureReason, ProducerError
from workers.providers.ignoring import IGNORE_FILE, IgnoreRules, read_ignore_rules


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("prod/MigrationTable.json", "MigrationTable.json"),
        ("prod/deep/._policy.json", ".*"),
        ("prod/.#policy.json", ".*"),
        ("prod/~$policy.json", "~$*.json"),
    ],
)
def test_files_that_tools_leave_are_ignored_by_default(path: str, pattern: str) -> None:
    assert IgnoreRules(()).why_ignored(path.split("/")) == f"Ignored by default: {pattern}"


@pytest.mark.parametrize("path", ["prod/policy.json", "prod/a.b.json", "prod/MigrationTables.json"])
def test_policies_are_not_ignored_by_default(path: str) -> None:
    assert IgnoreRules(()).why_ignored(path.split("/")) is None


def test_the_operators_patterns_override_the_defaults() -> None:
    rules = IgnoreRules(["!MigrationTable.json", "*.bak.json", "", "# a comment", "/prod/old/"])
    assert rules.why_ignored(["prod", "MigrationTable.json"]) is None
    assert rules.why_ignored(["a", "x.bak.json"]) == f"Ignored in {IGNORE_FILE}: *.bak.json"
    assert rules.why_ignored(["prod", "old"], is_folder=True) is not None
    assert rules.why_ignored(["prod", "old"]) is None
    assert rules.why_ignored(["test", "old"], is_folder=True) is None


def test_both_unicode_forms_of_a_name_match() -> None:
    composed, decomposed = (unicodedata.normalize(form, "Zürich") for form in ("NFC", "NFD"))
    assert IgnoreRules([decomposed]).why_ignored([composed, "a.json"])
    assert IgnoreRules([composed]).why_ignored([decomposed, "a.json"])


def test_a_hostile_pattern_matches_quickly() -> None:
    rules = IgnoreRules(["*a" * 20 + "b.json"])
    began = time.process_time()
    assert rules.why_ignored(["prod", "a" * 240 + ".json"]) is None
    # A backtracking matcher would take longer than a century.
    assert time.process_time() - began < 5


def test_the_defaults_apply_without_a_file(tmp_path: Path) -> None:
    assert read_ignore_rules(tmp_path).why_ignored(["prod", ".hidden.json"])


def test_windows_line_ends_and_a_bom_are_accepted(tmp_path: Path) -> None:
    (tmp_path / IGNORE_FILE).write_bytes(b"\xef\xbb\xbfone.json\r\ntwo.json\r\n")
    rules = read_ignore_rules(tmp_path)
    assert rules.why_ignored(["prod", "one.json"]) == f"Ignored in {IGNORE_FILE}: one.json"
    assert rules.why_ignored(["prod", "two.json"])


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"caf\xe9.json", "it is not UTF-8 text; save it as UTF-8"),
        (b"a\n" * 1001, "it has more than 1000 lines"),
        (b"!\n", "a pattern in it is not valid"),
    ],
)
def test_an_unusable_file_reports_the_reason(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / IGNORE_FILE).write_bytes(content)
    with pytest.raises(ProducerError) as caught:
        read_ignore_rules(tmp_path)
    assert caught.value.reason == FailureReason.INVALID_IGNORE_FILE
    assert why in caught.value.message


def test_an_ignore_file_that_is_a_folder_is_invalid(tmp_path: Path) -> None:
    (tmp_path / IGNORE_FILE).mkdir()
    with pytest.raises(ProducerError) as caught:
        read_ignore_rules(tmp_path)
    assert caught.value.reason == FailureReason.INVALID_IGNORE_FILE
