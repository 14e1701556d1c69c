"""The format of each document is recognised, and its policy keeps one identity."""

import json
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from domain.inventory.formats import ReadPolicy, read_policy
from domain.inventory.models import PolicyFormat
from domain.inventory.provider import PolicyDocument
from domain.runs.failures import FailureReason, ProducerError

CONTEXT = (
    "https://graph.microsoft.com/beta/$metadata#deviceManagement/configurationPolicies/$entity"
)
CATALOG = {"name": "Lock", "platforms": "windows10", "technologies": "mdm", "settings": []}
FIREWALL = {"@odata.type": "#microsoft.graph.windows10CompliancePolicy", "displayName": "Firewall"}


def read(body: Any, key: str = "a.json", *, is_yaml: bool = False) -> ReadPolicy | str:
    content = yaml.dump(body, sort_keys=False) if is_yaml else json.dumps(body)
    return read_policy(PolicyDocument(key, content.encode(), "prod", is_yaml))


def policy(body: Any, key: str = "a.json", *, is_yaml: bool = False) -> ReadPolicy:
    outcome = read(body, key, is_yaml=is_yaml)
    assert isinstance(outcome, ReadPolicy), outcome
    return outcome


def error_of(body: Any) -> ProducerError:
    with pytest.raises(ProducerError) as caught:
        read(body)
    return caught.value


def template(**members: Any) -> dict[str, Any]:
    body = {"Displayname": "Lock", "RAWJson": json.dumps(CATALOG), "Type": "Catalog", "GUID": "t-1"}
    return {**body, **members}


def derived(body: dict[str, Any]) -> str:
    policy_id = policy(body).policy_id
    assert policy_id.startswith("derived-")
    return policy_id


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({**FIREWALL, "id": "p"}, PolicyFormat.GRAPH_OBJECT),
        ({**FIREWALL, "id": "p", "@odata.context": "c", "@odata.id": "x"}, "GRAPH_OBJECT"),
        ({**CATALOG, "id": "p"}, PolicyFormat.GRAPH_OBJECT),
        ({**FIREWALL, "id": "p", "@odata.context": "c"}, PolicyFormat.PORTAL),
        ({**CATALOG, "id": "p", "@odata.context": CONTEXT}, PolicyFormat.PORTAL),
        ({**CATALOG, "@odata.context": CONTEXT}, PolicyFormat.PORTAL),
        (CATALOG, PolicyFormat.INTUNE_CD_JSON),
        (FIREWALL, PolicyFormat.INTUNE_CD_JSON),
        (template(), PolicyFormat.CIPP),
    ],
)
def test_the_members_of_a_document_tell_its_format(body: Any, expected: PolicyFormat) -> None:
    assert policy(body).format == expected


def test_yaml_is_the_same_policy_as_json() -> None:
    for body in (CATALOG, FIREWALL, {**FIREWALL, "id": "p"}):
        written = policy(body, is_yaml=True)
        assert written.format == PolicyFormat.INTUNE_CD_YAML
        assert written[:4] == policy(body)[:4]


def test_an_export_of_the_portal_has_its_id_and_the_type_of_its_context() -> None:
    body = {"@odata.context": CONTEXT, "id": "p-1", "name": "Lock", "settings": []}
    assert policy(body) == (
        body,
        "p-1",
        "Lock",
        "deviceManagementConfigurationPolicy",
        PolicyFormat.PORTAL,
    )


def test_settings_and_files_are_no_part_of_a_derived_identity() -> None:
    changed = {**CATALOG, "settings": [{"id": "0"}], "description": "New", "settingCount": 1}
    assert derived(changed) == derived(CATALOG)
    assert policy(CATALOG, "Settings Catalog/Lock_mdm.json").policy_id == derived(CATALOG)
    assert policy(CATALOG, "elsewhere/x.yaml", is_yaml=True).policy_id == derived(CATALOG)


def test_a_derived_identity_does_not_change_between_releases() -> None:
    assert derived(CATALOG) == "derived-4d6d8a448410f5b54357c5e9b3fb9942"
    assert derived(FIREWALL) == "derived-35a1923ca5cb326b86887b7da6cb703e"


def test_whatever_keeps_policies_apart_is_part_of_a_derived_identity() -> None:
    intent = {"displayName": "Lock", "settingsDelta": [], "templateId": "t-1"}
    bodies: list[dict[str, Any]] = [
        CATALOG,
        {**CATALOG, "name": "Lock 2"},
        {**CATALOG, "platforms": "macOS"},
        {**CATALOG, "technologies": "mdm,microsoftSense"},
        {**CATALOG, "platforms": "windows10mdm", "technologies": ""},
        {**CATALOG, "@odata.type": "#microsoft.graph.other"},
        intent,
        {**intent, "templateId": "t-2"},
        {**FIREWALL, "platform": "windows10"},
        {**FIREWALL, "platforms": "windows10"},
        {**FIREWALL, "vppTokenAppleId": "a@example.com"},
    ]
    assert len({derived(body) for body in bodies}) == len(bodies)
    lower = {**FIREWALL, "@odata.type": "microsoft.graph.WINDOWS10compliancepolicy"}
    assert derived(lower) == derived(FIREWALL)


@pytest.mark.parametrize("policy_id", [None, "", 7, " "])
def test_a_wrong_id_is_not_replaced_by_a_derived_one(policy_id: Any) -> None:
    for body in (FIREWALL, CATALOG):
        failure = error_of({**body, "id": policy_id})
        assert failure.reason == FailureReason.INVALID_POLICY
        assert "has no `id`" in failure.message


def test_a_document_that_says_nothing_of_its_type_fails() -> None:
    failure = error_of({"displayName": "Lock", "value": []})
    assert failure.reason == FailureReason.INVALID_POLICY
    assert "`@odata.type`" in failure.message


def test_the_tenants_settings_are_named_by_their_folder() -> None:
    key = "Device Management Settings/settings.json"
    settings = policy({"secureByDefault": True}, key)
    assert settings[2:4] == ("Device Management Settings", "deviceManagementSettings")
    assert settings.body == {"secureByDefault": True}


@pytest.mark.parametrize(
    ("body", "key", "part"),
    [
        ({"params": {"CLIENT_SECRET": "x"}}, "auth.json", "IntuneCD's login"),
        ({"BulkExport": []}, "batch.json", "IntuneManagement's settings"),
        ({"TenantId": "t", "Organization": "o", "Objects": []}, "m.json", "table of groups"),
        ({"displayName": "Token"}, "Apple VPP Tokens/t.json", "Apple VPP Tokens"),
        ({"appleIdentifier": "a"}, "Apple Push Notification/a.json", "Apple Push Notification"),
        ({"isEnabled": True}, "Entra/Security Defaults/s.json", "Entra"),
        (
            {"PartitionKey": "StandardsTemplateV2", "RowKey": "1", "JSON": "[]"},
            "s.json",
            "'StandardsTemplateV2'",
        ),
    ],
)
def test_files_of_tools_without_a_policy_are_ignored_with_a_reason(
    body: Any, key: str, part: str
) -> None:
    reason = read(body, key)
    assert isinstance(reason, str)
    assert reason.startswith("Ignored by default: ")
    assert part in reason


def test_a_policy_is_read_from_a_folder_that_usually_holds_none() -> None:
    assert policy({**FIREWALL, "id": "p"}, "Entra/a.json").policy_id == "p"
    for body in (FIREWALL, CATALOG):
        assert policy(body, "Entra/a.json").format == PolicyFormat.INTUNE_CD_JSON


class TestATemplateOfCipp:
    def test_is_the_policy_in_it_with_the_id_and_name_of_the_template(self) -> None:
        made_of = {**CATALOG, "id": "of another tenant"}
        read_from = policy(template(RAWJson=json.dumps(made_of), Displayname="Lock screens"))
        assert read_from == (
            CATALOG,
            "t-1",
            "Lock screens",
            "deviceManagementConfigurationPolicy",
            PolicyFormat.CIPP,
        )

    def test_has_an_id_without_the_suffix_of_its_file(self) -> None:
        assert policy(template(GUID="t-1.IntuneTemplate.json")).policy_id == "t-1"

    def test_may_be_written_in_another_case(self) -> None:
        body = {"displayName": "Lock", "RawJSON": json.dumps(CATALOG), "type": "x", "guid": "t-2"}
        assert policy(body).policy_id == "t-2"

    def test_without_a_guid_has_a_derived_id(self) -> None:
        assert derived(template(GUID=None)) == derived(CATALOG)

    def test_may_be_a_row_of_a_table(self) -> None:
        inner = template()
        row = {"PartitionKey": "IntuneTemplate", "RowKey": "t-3"}
        assert policy({**row, "JSON": json.dumps(inner)}).policy_id == "t-1"
        del inner["GUID"]
        for value in (inner, json.dumps(inner)):
            assert policy({**row, "JSON": value}).policy_id == "t-3"

    def test_may_hold_conditional_access(self) -> None:
        access = {"displayName": "MFA", "state": "enabled", "conditions": {}}
        row = {"PartitionKey": "CATemplate", "RowKey": "c-1", "JSON": json.dumps(access)}
        assert policy(row)[1:4] == ("c-1", "MFA", "conditionalAccessPolicy")

    def test_of_a_group_policy_has_its_values(self) -> None:
        value = {"definition@odata.bind": "https://x/beta/d('1')", "enabled": True}
        raw = json.dumps({"added": [value], "updated": [], "deletedIds": []})
        read_from = policy(template(RAWJson=raw, Type="Admin", Description="D"))
        assert read_from.policy_type == "groupPolicyConfiguration"
        assert read_from.body["definitionValues"] == [value]
        assert read_from.body["description"] == "D"

    @pytest.mark.parametrize(
        ("raw", "reason"),
        [
            ("{", FailureReason.INVALID_JSON),
            ('{"a": 1, "a": 2}', FailureReason.INVALID_JSON),
            ("[]", FailureReason.INVALID_POLICY),
            (7, FailureReason.INVALID_POLICY),
            ("[" * 200, FailureReason.INVALID_JSON),
            ("[" * 200 + "]" * 200, FailureReason.INVALID_POLICY),
            (f"[{'0,' * 200_000}0]", FailureReason.FILE_TOO_LARGE),
            ('{"a": 1e999}', FailureReason.INVALID_POLICY),
        ],
    )
    def test_is_held_to_the_limits_of_a_document(self, raw: Any, reason: FailureReason) -> None:
        failure = error_of(template(RAWJson=raw))
        assert failure.reason == reason
        assert failure.message.startswith("In `RAWJson`: ")
