"""Changes between two policies are readable, complete and consistent with the content hash."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from domain.drift.compare import changes, contents
from domain.drift.models import ChangeKind, SettingChange
from domain.inventory.content import content_hash, normalize
from domain.inventory.policies import identify, parse_json, storable

EXPORTS = Path(__file__).parents[4] / "shared" / "data" / "policy-exports"

ADDED, REMOVED = ChangeKind.ADDED, ChangeKind.REMOVED
CHANGED, REORDERED = ChangeKind.CHANGED, ChangeKind.REORDERED


def compare(old: dict[str, Any], new: dict[str, Any]) -> list[tuple[str, ChangeKind, Any, Any]]:
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
    assert compare(old, new) == [("lock.minutes", CHANGED, 5, 10)]


def test_null_absent_and_an_empty_list_are_equal() -> None:
    assert compare({"a": None, "b": []}, {}) == []
    assert compare({}, {"a": [], "b": None}) == []
    assert compare({"a": None}, {"a": 0}) == [("a", ADDED, None, 0)]


@pytest.mark.parametrize(("old", "new"), [(1, True), (0, False), (1, "1"), ("", {}), (1, 1.5)])
def test_another_type_is_another_value(old: object, new: object) -> None:
    assert compare({"a": old}, {"a": new}) == [("a", CHANGED, old, new)]


def test_another_notation_of_the_same_number_is_not_a_change() -> None:
    assert compare({"a": 1, "b": 0}, {"a": 1.0, "b": -0.0}) == []


def test_catalog_settings_are_matched_by_their_definition() -> None:
    old = catalog(bluetooth="off", camera="on", gone="x")
    new = catalog(fresh="y", camera="off", bluetooth="off")
    assert compare(old, new) == [
        ("settings[camera].choiceSettingValue.value", CHANGED, "on", "off"),
        (
            "settings[fresh]",
            ADDED,
            None,
            {"settingDefinitionId": "fresh", "choiceSettingValue": {"value": "y"}},
        ),
        (
            "settings[gone]",
            REMOVED,
            {"settingDefinitionId": "gone", "choiceSettingValue": {"value": "x"}},
            None,
        ),
    ]


def test_a_repeated_definition_is_matched_by_position() -> None:
    old = {"children": [{"settingDefinitionId": "a", "v": 1}, {"settingDefinitionId": "a", "v": 2}]}
    new = {"children": [{"settingDefinitionId": "a", "v": 1}, {"settingDefinitionId": "a", "v": 3}]}
    assert compare(old, new) == [("children[1].v", CHANGED, 2, 3)]


def test_other_objects_are_matched_by_their_distinct_names() -> None:
    old = {"rules": [{"name": "ssh", "port": 22}, {"name": "web", "port": 80}]}
    new = {"rules": [{"name": "web", "port": 443}]}
    assert compare(old, new) == [
        ("rules[ssh]", REMOVED, {"name": "ssh", "port": 22}, None),
        ("rules[web].port", CHANGED, 80, 443),
    ]


def test_members_of_a_list_of_texts_are_added_and_removed_one_by_one() -> None:
    old, new = {"tags": ["0", "old", "b]"]}, {"tags": ["0", "new", "b]"]}
    assert compare(old, new) == [
        ("tags[new]", ADDED, None, "new"),
        ("tags[old]", REMOVED, "old", None),
    ]
    assert compare({"tags": ["0"]}, {"tags": ["7", "a]"]}) == [
        ('tags["0"]', REMOVED, "0", None),
        ('tags["7"]', ADDED, None, "7"),
        ('tags["a]"]', ADDED, None, "a]"),
    ]


def test_another_order_is_a_separate_change() -> None:
    old = {"hosts": [{"value": "a"}, {"value": "b"}, {"value": "c"}]}
    new = {"hosts": [{"value": "c"}, {"value": "a"}, {"value": "d"}]}
    assert compare(old, new) == [
        ("hosts", REORDERED, ["a", "c"], ["c", "a"]),
        ("hosts[b]", REMOVED, {"value": "b"}, None),
        ("hosts[d]", ADDED, None, {"value": "d"}),
    ]


def test_lists_without_identities_are_compared_by_position() -> None:
    assert compare({"days": [1, 3]}, {"days": [1, 4, 5]}) == [
        ("days[1]", CHANGED, 3, 4),
        ("days[2]", ADDED, None, 5),
    ]
    long = "x" * 201
    assert compare({"keys": [long]}, {"keys": [long, "b"]}) == [("keys[1]", ADDED, None, "b")]


def test_a_key_that_looks_like_a_path_is_quoted() -> None:
    assert [path for path, *_ in compare({}, {"a.b": 1, "a": {"b": 2}, "": 3, "c d": 4})] == [
        '[""]',
        '["a.b"]',
        '["c d"]',
        "a",
    ]


def assigned(*targets: dict[str, Any]) -> dict[str, Any]:
    return {"assignments": [{"target": target} for target in targets]}


def target(kind: str, group: str | None = None) -> dict[str, Any]:
    group_id = {"groupId": group} if group else {}
    return {"@odata.type": f"#microsoft.graph.{kind}AssignmentTarget", **group_id}


def test_assignments_are_matched_by_target() -> None:
    old = assigned(target("group", "g1"), target("group", "g2"), target("allDevices"))
    new = assigned(target("allLicensedUsers"), target("exclusionGroup", "g1"))
    differences = compare(old, new)
    assert [(path, change) for path, change, _, _ in differences] == [
        ("assignments[allDevicesAssignmentTarget]", REMOVED),
        ("assignments[allLicensedUsersAssignmentTarget]", ADDED),
        ("assignments[g1].target.@odata.type", CHANGED),
        ("assignments[g2]", REMOVED),
    ]
    assert differences[2][2:] == (
        "microsoft.graph.groupAssignmentTarget",
        "microsoft.graph.exclusionGroupAssignmentTarget",
    )


def test_the_same_group_twice_is_compared_as_a_set() -> None:
    filtered = {**target("group", "g1"), "deviceAndAppManagementAssignmentFilterId": "f1"}
    old = assigned(target("group", "g1"), filtered)
    assert compare(old, assigned(filtered, target("group", "g1"))) == []
    assert [change[1:] for change in compare(old, assigned(filtered))] == [
        (REMOVED, {"target": normalize(target("group", "g1"))}, None)
    ]


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"@odata.type": "microsoft.graph.omaSettingString"},
        {"@odata.type": "#Microsoft.Graph.OmaSettingString"},
    ],
)
def test_types_are_compared_only_if_both_sides_have_one(other: dict[str, Any]) -> None:
    typed = {"@odata.type": "#microsoft.graph.omaSettingString"}
    assert (
        compare(
            {**typed, "a": 1, "inner": {**typed, "b": 1}},
            {**other, "a": 1, "inner": {**other, "b": 1}},
        )
        == []
    )
    assert compare({"list": [{**typed, "id": "x"}]}, {"list": [{**other, "id": "x"}]}) == []
    assert (
        compare(
            {"roleScopeTags": [{**typed, "n": 1}, {"n": 2}]},
            {"roleScopeTags": [{"n": 2}, {**other, "n": 1}]},
        )
        == []
    )


def test_another_type_is_a_change() -> None:
    old = {"@odata.type": "#microsoft.graph.a", "n": 1, "n@odata.type": "#Int32"}
    new = {"@odata.type": "#microsoft.graph.b", "n": 1, "n@odata.type": "#Int64"}
    assert compare(old, new) == [
        ("@odata.type", CHANGED, "microsoft.graph.a", "microsoft.graph.b"),
        ("n@odata.type", CHANGED, "Int32", "Int64"),
    ]


def test_another_certificate_or_template_is_a_change() -> None:
    root = "https://graph.microsoft.com/beta/deviceManagement/deviceConfigurations"
    old = {"rootCertificate@odata.bind": f"{root}('a')"}
    assert compare(old, {"rootCertificate@odata.bind": f"{root}('b')"}) == [
        (
            "rootCertificate@odata.bind",
            CHANGED,
            "deviceManagement/deviceConfigurations('a')",
            "deviceManagement/deviceConfigurations('b')",
        )
    ]
    bound = [{"definition@odata.bind": "definitions('a')", "enabled": True}]
    other = [{"definition@odata.bind": "definitions('b')", "enabled": True}]
    assert [
        change[:2] for change in compare({"definitionValues": bound}, {"definitionValues": other})
    ] == [
        ("definitionValues[definitions('a')]", REMOVED),
        ("definitionValues[definitions('b')]", ADDED),
    ]


def test_a_changed_secret_is_named_without_its_value() -> None:
    assert changes(normalize({"preSharedKey": "one"}), normalize({"preSharedKey": "two"})) == [
        SettingChange("preSharedKey", CHANGED, None, None, is_secret=True)
    ]
    assert changes({}, normalize({"preSharedKey": "two"})) == [
        SettingChange("preSharedKey", ADDED, None, None, is_secret=True)
    ]
    assert compare({}, {"wifi": {"ssid": "a", "preSharedKey": "two"}}) == [
        ("wifi", ADDED, None, {"ssid": "a", "preSharedKey": "[hidden]"})
    ]


@pytest.mark.parametrize("key", ["passwords", "tokens", "list"])
def test_no_path_names_a_secret(key: str) -> None:
    secrets = ["q7Zp2LkV9xTb4WmR8sYc1NfH6dJg3Ka0", "w8Xr3MnB0yUc5VoS9tZd2PgJ7eKh4Lb1"]
    for old, new in (
        (secrets[:1], secrets[1:]),
        ([{"value": secrets[0]}], [{"value": secrets[1]}]),
        (secrets, secrets[::-1]),
    ):
        text = str(changes(normalize({key: old}), normalize({key: new})))
        assert not any(secret in text for secret in secrets)


def test_an_added_or_removed_policy_lists_its_settings() -> None:
    document = normalize(
        {"name": "A", "ranges": [[1], [2]], "preSharedKey": "x", **catalog(camera="on")}
    )
    camera = {"settingDefinitionId": "camera", "choiceSettingValue": {"value": "on"}}
    assert contents(document, ADDED) == [
        SettingChange("name", ADDED, None, "A"),
        SettingChange("preSharedKey", ADDED, None, None, is_secret=True),
        SettingChange("ranges[0]", ADDED, None, [1]),
        SettingChange("ranges[1]", ADDED, None, [2]),
        SettingChange("settings[camera]", ADDED, None, camera),
    ]
    removed = contents(document, REMOVED)
    assert [(change.path, change.old) for change in removed] == [
        (change.path, change.new) for change in contents(document, ADDED)
    ]
    assert {change.change for change in removed} == {REMOVED}


KEYS = st.sampled_from(
    [
        *("id", "name", "value", "settingDefinitionId", "settingInstance", "list", "a.b"),
        *("version", "assignments", "target", "roleScopeTagIds"),
    ]
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


def shuffle(value: Any, data: st.DataObject) -> Any:
    if isinstance(value, dict):
        return {key: shuffle(member, data) for key, member in reversed(value.items())}
    if isinstance(value, list):
        return [shuffle(member, data) for member in data.draw(st.permutations(value))]
    return value


def assert_consistent(old: dict[str, Any], new: dict[str, Any]) -> None:
    before, after = normalize(old), normalize(new)
    differences: list[SettingChange] = changes(before, after)
    assert (differences == []) == (content_hash(before) == content_hash(after))
    places = [(difference.path, difference.change) for difference in differences]
    assert places == sorted(set(places))
    assert {difference.path for difference in changes(after, before)} == {p for p, _ in places}


@settings(deadline=None)  # a busy machine is not a failure
@given(BODIES, BODIES)
@example({"list": [{"id": "a"}]}, {"list": [{"id": "a", "value": None}]})
@example({"list": [1, True]}, {"list": [True, 1]})
@example({"list": [{"id": "a", "name": "b"}]}, {"list": [{"name": "b"}]})
def test_there_are_changes_if_and_only_if_the_hashes_differ(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    assert_consistent(old, new)


@settings(deadline=None)  # a busy machine is not a failure
@given(BODIES, st.data())
def test_changes_of_a_reordered_document_agree_with_its_hash(
    body: dict[str, Any], data: st.DataObject
) -> None:
    assert changes(normalize(body), normalize(body)) == []
    assert_consistent(body, shuffle(body, data))


def exported(version: str) -> dict[str, Any]:
    bodies = [
        storable(parse_json(file.read_bytes()))
        for file in sorted(EXPORTS.glob(f"{version}/**/*.json"))
    ]
    return {identify(body)[0]: normalize(body) for body in bodies}


@pytest.mark.skipif(not EXPORTS.is_dir(), reason="the published exports are not on this machine")
@pytest.mark.parametrize(
    ("before", "after", "sizes", "drift"),
    [("3.3", "3.4", (65, 64), (27, 28, 27)), ("3.4", "3.5", (64, 65), (2, 1, 5))],
)
def test_published_exports_have_the_known_drift(
    before: str, after: str, sizes: tuple[int, int], drift: tuple[int, int, int]
) -> None:
    old, new = exported(f"windows-v{before}"), exported(f"windows-v{after}")
    assert (len(old), len(new)) == sizes
    both = old.keys() & new.keys()
    modified = {key for key in both if content_hash(old[key]) != content_hash(new[key])}
    assert (len(new.keys() - old.keys()), len(old.keys() - new.keys()), len(modified)) == drift
    assert {key for key in both if changes(old[key], new[key])} == modified
