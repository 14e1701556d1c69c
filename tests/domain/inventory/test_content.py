"""A content hash changes with the configuration, not with the way it was exported."""

import hashlib
import json
from typing import Any

import pytest

from domain.inventory.content import content_hash, document_hash, normalize
from domain.inventory.policies import parse_json, storable


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return content_hash(normalize(one)) == content_hash(normalize(other))


def test_metadata_is_removed_at_every_level() -> None:
    inner = {
        "createdDateTime": "x",
        "createdDateTime@odata.type": "#DateTimeOffset",
        "@odata.id": "i",
        "@odata.etag": "e",
        "@odata.editLink": "l",
        "kept@odata.count": 1,
        "kept@odata.navigationLink": "n",
        "kept@odata.associationLink": "n",
        "kept": [1],
    }
    body = {
        "@odata.context": "c",
        "@microsoft.graph.tips": "Use $select.",
        "lastModifiedDateTime": "d",
        "#microsoft.graph.assign": {"title": "t", "target": "u"},
        "list": [inner],
        "object": inner,
        "osMinimumVersion": "10",
    }
    kept = {"kept": [1]}
    assert normalize(body) == {"list": [kept], "object": kept, "osMinimumVersion": "10"}


def test_types_and_bindings_are_kept() -> None:
    body = {
        "@odata.type": "#microsoft.graph.a",
        "value@odata.type": "#Int64",
        "value": 1,
        "gone@odata.type": "#Int64",
        "root@odata.bind": "https://graph.microsoft.com/beta/deviceManagement/x('1')",
        "apps@odata.bind": ["https://other.example/v1.0/apps('2')", "apps('1')"],
    }
    assert normalize(body) == {
        "@odata.type": "microsoft.graph.a",
        "value@odata.type": "Int64",
        "value": 1,
        "root@odata.bind": "deviceManagement/x('1')",
        "apps@odata.bind": ["apps('1')", "apps('2')"],
    }


def test_only_the_policys_version_and_setting_count_are_metadata() -> None:
    assert same({"version": 1, "settingCount": 7}, {"version": 2, "settingCount": 8})
    assert not same({"app": {"version": 1}}, {"app": {"version": 2}})
    assert not same({"group": {"settingCount": 1}}, {"group": {"settingCount": 2}})


@pytest.mark.parametrize("empty", [{}, {"a": None}, {"a": []}, {"a": [], "a@odata.type": "#x"}])
def test_null_an_absent_key_and_an_empty_list_are_equal(empty: dict[str, Any]) -> None:
    assert normalize(empty) == {}
    assert normalize({"inner": empty, "list": [empty]}) == {"inner": {}, "list": [{}]}


@pytest.mark.parametrize("value", [{"a": ""}, {"a": 0}, {"a": False}, {"a": [None]}, {"a": {}}])
def test_other_empty_values_are_configuration(value: dict[str, Any]) -> None:
    assert not same(value, {})


@pytest.mark.parametrize(
    "members",
    [
        ("roleScopeTagIds", "1", "0"),
        ("notificationMessageCCList", "b@example.com", "a@example.com"),
        (
            "assignments",
            {"id": "p_g2", "target": {"groupId": "g2"}},
            {"target": {"groupId": "g1"}},
        ),
        ("validOperatingSystemBuildRanges", {"lowestVersion": "2"}, {"lowestVersion": "1"}),
        ("apps", {"mobileAppIdentifier": {"bundleId": "b"}}, {"other": 1}),
    ],
)
def test_the_order_of_a_set_does_not_matter(members: tuple[str, Any, Any]) -> None:
    key, first, second = members
    assert same({key: [first, second]}, {key: [second, first]})
    assert not same({key: [first, second]}, {key: [first]})


def test_a_renumbered_settings_catalog_is_the_same_configuration() -> None:
    def exported(*definitions: str) -> dict[str, Any]:
        return {
            "settings": [
                {"id": str(number), "settingInstance": {"settingDefinitionId": definition}}
                for number, definition in enumerate(definitions)
            ]
        }

    old, new = normalize(exported("a", "b")), normalize(exported("b", "a"))
    assert content_hash(old) == content_hash(new)
    assert content_hash(normalize(exported("a", "c"))) != content_hash(old)


def test_keys_beside_a_setting_instance_are_kept() -> None:
    entry = {
        "id": "0",
        "@odata.type": "#microsoft.graph.deviceManagementConfigurationSetting",
        "settingInstance": {"settingDefinitionId": "a", "@odata.type": "#t"},
        "note": "n",
    }
    kept = {"settingDefinitionId": "a", "@odata.type": "t", "note": "n"}
    assert normalize({"settings": [entry]}) == {"settings": [kept]}
    clash = {"settingInstance": {"settingDefinitionId": "a", "note": "1"}, "note": "2"}
    assert normalize({"settings": [clash]}) == {"settings": [clash]}


def test_the_order_of_entities_does_not_matter_and_any_other_order_does() -> None:
    assert normalize({"x": [{"id": "b"}, {"id": "a"}]}) == {"x": [{"id": "a"}, {"id": "b"}]}
    lists: list[list[Any]] = [
        ["b", "a"],
        [{"name": "b"}, {"name": "a"}],
        [{"id": "b"}, {"id": "b", "x": 1}],
    ]
    for ordered in lists:
        assert normalize({"x": ordered}) == {"x": ordered}


@pytest.mark.parametrize(
    ("exported", "from_jsonb"),
    [
        ("1.0", "1.0"),
        ("1.0", "1"),
        ("1e16", "10000000000000000"),
        ("-0.0", "0.0"),
        ("1.2345678901234568e18", "1234567890123456800"),
        ("18446744073709551615", "18446744073709551615"),
        ("1e300", "1" + "0" * 300),
        ("2.5e-7", "0.00000025"),
    ],
)
def test_a_stored_number_has_the_same_hash(exported: str, from_jsonb: str) -> None:
    stored = {"n": json.loads(from_jsonb)}
    assert content_hash(normalize(stored)) == content_hash(
        normalize(storable(parse_json(b'{"n": %s}' % exported.encode())))
    )


def test_hashes_do_not_depend_on_the_order_of_keys() -> None:
    assert document_hash({"b": 1, "a": "é"}) == hashlib.sha256('{"a":"é","b":1}'.encode()).digest()
    assert document_hash({"version": 1}) != document_hash({"version": 2})
    assert content_hash(normalize({"version": 1})) == content_hash(normalize({"version": 2}))
    assert content_hash({"a": 1}) != content_hash({"a": True})
