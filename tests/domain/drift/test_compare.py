"""Changes between two policies: readable, complete, and in step with the content hash."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from domain.drift.compare import changes
from domain.drift.models import ChangeKind, SettingChange
from domain.inventory.policies import content_hash, identify, normalize, parse

EXPORTS = Path(__file__).parents[4] / "shared" / "data" / "policy-exports"

ADDED, REMOVED = ChangeKind.ADDED, ChangeKind.REMOVED
CHANGED, REORDERED = ChangeKind.CHANGED, ChangeKind.REORDERED


def found(old: dict[str, Any], new: dict[str, Any]) -> list[tuple[str, ChangeKind, Any, Any]]:
    return [
        (change.path, change.change, change.old, change.new)
        for change in changes(normalize(old), normalize(new))
    ]


def catalog(**values: object) -> dict[str, Any]:
    return {
        "settings": [
            {
                "id": str(number),
                "settingInstance": {
                    "settingDefinitionId": definition,
                    "choiceSettingValue": {"value": value, "children": []},
                },
            }
            for number, (definition, value) in enumerate(values.items())
        ]
    }


def test_nested_settings_are_named_by_their_path() -> None:
    old = {"lock": {"minutes": 5, "pin": True}, "name": "A"}
    new = {"lock": {"minutes": 10, "pin": True}, "name": "A"}
    assert found(old, new) == [("lock.minutes", CHANGED, 5, 10)]


def test_null_and_absent_are_told_apart() -> None:
    assert found({"a": None}, {}) == [("a", REMOVED, None, None)]
    assert found({}, {"a": None}) == [("a", ADDED, None, None)]
    assert found({"a": None}, {"a": 0}) == [("a", CHANGED, None, 0)]


@pytest.mark.parametrize(("old", "new"), [(1, True), (0, False), (1, "1"), ([], {}), (1, 1.5)])
def test_another_type_is_another_value(old: object, new: object) -> None:
    assert found({"a": old}, {"a": new}) == [("a", CHANGED, old, new)]


def test_the_same_number_written_otherwise_is_no_change() -> None:
    assert found({"a": 1, "b": 0}, {"a": 1.0, "b": -0.0}) == []


def test_catalog_settings_are_matched_by_their_definition() -> None:
    old = catalog(bluetooth="off", camera="on", gone="x")
    new = catalog(fresh="y", camera="off", bluetooth="off")
    assert found(old, new) == [
        ("settings[camera].choiceSettingValue.value", CHANGED, "on", "off"),
        (
            "settings[fresh]",
            ADDED,
            None,
            {
                "settingDefinitionId": "fresh",
                "choiceSettingValue": {"value": "y", "children": []},
            },
        ),
        (
            "settings[gone]",
            REMOVED,
            {
                "settingDefinitionId": "gone",
                "choiceSettingValue": {"value": "x", "children": []},
            },
            None,
        ),
    ]


def test_a_definition_that_comes_twice_is_matched_by_position() -> None:
    old = {"children": [{"settingDefinitionId": "a", "v": 1}, {"settingDefinitionId": "a", "v": 2}]}
    new = {"children": [{"settingDefinitionId": "a", "v": 1}, {"settingDefinitionId": "a", "v": 3}]}
    assert found(old, new) == [("children[1].v", CHANGED, 2, 3)]


def test_other_objects_are_matched_by_what_tells_them_apart() -> None:
    old = {"rules": [{"name": "ssh", "port": 22}, {"name": "web", "port": 80}]}
    new = {"rules": [{"name": "web", "port": 443}]}
    assert found(old, new) == [
        ("rules[ssh]", REMOVED, {"name": "ssh", "port": 22}, None),
        ("rules[web].port", CHANGED, 80, 443),
    ]


def test_members_of_a_list_of_texts_come_and_go_one_by_one() -> None:
    old, new = {"tags": ["0", "old", "b]"]}, {"tags": ["0", "new", "b]"]}
    assert found(old, new) == [
        ("tags[new]", ADDED, None, "new"),
        ("tags[old]", REMOVED, "old", None),
    ]
    assert found({"tags": ["0"]}, {"tags": ["7", "a]"]}) == [
        ('tags["0"]', REMOVED, "0", None),
        ('tags["7"]', ADDED, None, "7"),
        ('tags["a]"]', ADDED, None, "a]"),
    ]


def test_another_order_is_a_change_of_its_own() -> None:
    old = {"hosts": [{"value": "a"}, {"value": "b"}, {"value": "c"}]}
    new = {"hosts": [{"value": "c"}, {"value": "a"}, {"value": "d"}]}
    assert found(old, new) == [
        ("hosts", REORDERED, ["a", "c"], ["c", "a"]),
        ("hosts[b]", REMOVED, {"value": "b"}, None),
        ("hosts[d]", ADDED, None, {"value": "d"}),
    ]


def test_lists_without_identities_are_compared_by_position() -> None:
    assert found({"days": [1, 3]}, {"days": [1, 4, 5]}) == [
        ("days[1]", CHANGED, 3, 4),
        ("days[2]", ADDED, None, 5),
    ]
    long = "x" * 201
    assert found({"keys": [long]}, {"keys": [long, "b"]}) == [("keys[1]", ADDED, None, "b")]


def test_a_key_that_looks_like_a_path_is_quoted() -> None:
    assert [path for path, *_ in found({}, {"a.b": 1, "a": {"b": 2}, "": 3, "c d": 4})] == [
        '[""]',
        '["a.b"]',
        '["c d"]',
        "a",
    ]


KEYS = st.sampled_from(
    ["id", "name", "value", "settingDefinitionId", "settingInstance", "list", "a.b", "version"]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "a", "b", "0", "a]"])
    | st.text(max_size=3)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(st.fixed_dictionaries({}, optional={"id": inner, "value": inner}), max_size=4)
        | st.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=12,
)
BODIES = st.dictionaries(KEYS, VALUES, max_size=4)


def shuffled(value: Any, data: st.DataObject) -> Any:
    if isinstance(value, dict):
        return {key: shuffled(member, data) for key, member in reversed(value.items())}
    if isinstance(value, list):
        return [shuffled(member, data) for member in data.draw(st.permutations(value))]
    return value


def assert_in_step(old: dict[str, Any], new: dict[str, Any]) -> None:
    before, after = normalize(old), normalize(new)
    differences: list[SettingChange] = changes(before, after)
    assert (differences == []) == (content_hash(before) == content_hash(after))
    places = [(difference.path, difference.change) for difference in differences]
    assert places == sorted(set(places))
    assert {difference.path for difference in changes(after, before)} == {p for p, _ in places}


@settings(deadline=None)  # a busy machine is no finding
@given(BODIES, BODIES)
@example({"list": [{"id": "a"}]}, {"list": [{"id": "a", "value": None}]})
@example({"list": [1, True]}, {"list": [True, 1]})
@example({"list": [{"id": "a", "name": "b"}]}, {"list": [{"name": "b"}]})
def test_there_are_changes_exactly_if_the_hashes_differ(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    assert_in_step(old, new)


@settings(deadline=None)  # a busy machine is no finding
@given(BODIES, st.data())
def test_a_reordered_document_stays_in_step_with_its_hash(
    body: dict[str, Any], data: st.DataObject
) -> None:
    assert changes(normalize(body), normalize(body)) == []
    assert_in_step(body, shuffled(body, data))


def exported(version: str) -> dict[str, Any]:
    bodies = [parse(file.read_bytes()) for file in sorted(EXPORTS.glob(f"{version}/**/*.json"))]
    return {identify(body)[0]: normalize(body) for body in bodies}


@pytest.mark.skipif(not EXPORTS.is_dir(), reason="the published exports are not on this machine")
@pytest.mark.parametrize(
    ("before", "after", "sizes", "drift"),
    [("3.3", "3.4", (65, 64), (27, 28, 27)), ("3.4", "3.5", (64, 65), (2, 1, 5))],
)
def test_published_exports_drift_as_known(
    before: str, after: str, sizes: tuple[int, int], drift: tuple[int, int, int]
) -> None:
    old, new = exported(f"windows-v{before}"), exported(f"windows-v{after}")
    assert (len(old), len(new)) == sizes
    both = old.keys() & new.keys()
    modified = {key for key in both if content_hash(old[key]) != content_hash(new[key])}
    assert (len(new.keys() - old.keys()), len(old.keys() - new.keys()), len(modified)) == drift
    assert {key for key in both if changes(old[key], new[key])} == modified
