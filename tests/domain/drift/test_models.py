"""A finding's fingerprint identifies it within its comparison."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from domain.drift.models import (
    ChangeKind,
    Comparison,
    DriftKind,
    NewFinding,
    SettingChange,
    fingerprint,
    ids_in,
)

COMPARISON = Comparison("prod", UUID(int=1), UUID(int=2))
CHANGE = SettingChange("a.b", ChangeKind.CHANGED, {"x": 1, "y": 2}, None)
FINDING = NewFinding("p-1", "Firewall", "windows10CompliancePolicy", DriftKind.MODIFIED, [CHANGE])


def test_the_same_finding_has_the_same_fingerprint() -> None:
    again = replace(FINDING, changes=(replace(CHANGE, old={"y": 2, "x": 1}),))
    assert fingerprint(COMPARISON, FINDING) == fingerprint(replace(COMPARISON), again)
    assert len(fingerprint(COMPARISON, FINDING)) == 32


@pytest.mark.parametrize(
    "other",
    [
        {"scope_key": "test"},
        {"baseline_run_id": UUID(int=3)},
        {"current_run_id": UUID(int=3)},
    ],
)
def test_another_comparison_changes_the_fingerprint(other: dict[str, Any]) -> None:
    assert fingerprint(replace(COMPARISON, **other), FINDING) != fingerprint(COMPARISON, FINDING)


@pytest.mark.parametrize(
    "other",
    [
        {"policy_id": "p-2"},
        {"kind": DriftKind.ADDED},
        {"changes": []},
        {"changes": [replace(CHANGE, change=ChangeKind.REMOVED)]},
    ],
)
def test_every_part_of_a_finding_changes_the_fingerprint(other: dict[str, Any]) -> None:
    assert fingerprint(COMPARISON, replace(FINDING, **other)) != fingerprint(COMPARISON, FINDING)


def test_ids_are_those_in_the_paths_and_values_of_changes() -> None:
    one, two, three = (f"{number:08x}-0000-4000-8000-00000000000a" for number in range(3))
    changes = [
        SettingChange(f"assignments[{one}].filter", ChangeKind.CHANGED, None, two.upper()),
        SettingChange("nested", ChangeKind.ADDED, None, [{"groups": {"ids": [three, 7]}}]),
        SettingChange("other", ChangeKind.REMOVED, f"{one}0", "00000000-0000"),
        SettingChange("secret", ChangeKind.CHANGED, None, None, is_secret=True),
    ]
    assert ids_in(changes) == {one, two, three}
    assert ids_in(changes[2:]) == frozenset()
