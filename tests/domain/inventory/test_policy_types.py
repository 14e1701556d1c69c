"""A document without `@odata.type` says in other ways what it is."""

from typing import Any

import pytest

from domain.inventory.policy_types import type_of, type_of_template

ROOT = "https://graph.microsoft.com/beta/$metadata#"


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ("deviceManagement/configurationPolicies/$entity", "deviceManagementConfigurationPolicy"),
        (
            "deviceManagement/configurationPolicies(assignments(),settings(a()))/$entity",
            "deviceManagementConfigurationPolicy",
        ),
        ("deviceManagement/configurationPolicies('p-1')", "deviceManagementConfigurationPolicy"),
        (
            "deviceManagement/deviceConfigurations/microsoft.graph.iosCustomConfiguration/$entity",
            "iosCustomConfiguration",
        ),
        ("identity/conditionalAccess/policies/$entity", "conditionalAccessPolicy"),
        ("policies/$entity", None),
        ("deviceManagement/unheardOf/$entity", None),
        ("", None),
        ("(" * 3000, None),
        (7, None),
    ],
)
def test_a_context_names_the_collection_or_the_type(context: Any, expected: str | None) -> None:
    body = {"@odata.context": ROOT + context if isinstance(context, str) else context}
    assert type_of(body) == expected


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        (("name", "platforms", "technologies"), "deviceManagementConfigurationPolicy"),
        (
            ("name", "platforms", "technologies", "scheduledActionsForRule"),
            "deviceManagementCompliancePolicy",
        ),
        (("definitionValues",), "groupPolicyConfiguration"),
        (("settingsDelta", "templateId"), "deviceManagementIntent"),
        (("conditions", "state"), "conditionalAccessPolicy"),
        (
            ("settingDefinitionId", "settingInstance"),
            "deviceManagementReusablePolicySetting",
        ),
        (("displayName", "description"), None),
    ],
)
def test_some_types_have_members_that_no_other_has(
    members: tuple[str, ...], expected: str | None
) -> None:
    assert type_of(dict.fromkeys(members)) == expected


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        (["prod", "Scripts", "Powershell"], "deviceManagementScript"),
        (["Scripts", "Shell"], "deviceShellScript"),
        (["Shell"], None),
        (["Filters"], "deviceAndAppManagementAssignmentFilter"),
        (["prod", "Management Intents", "Firewall"], "deviceManagementIntent"),
        (["prod", "Compliance Policies", "Message Templates"], "notificationMessageTemplate"),
        (["prod", "Compliance Policies", "Policies"], None),
        ([], None),
    ],
)
def test_intunecd_says_the_rest_by_its_folders(folders: list[str], expected: str | None) -> None:
    assert type_of({}, folders) == expected


def test_the_document_counts_more_than_its_folder() -> None:
    body = {"@odata.context": f"{ROOT}deviceManagement/deviceShellScripts/$entity", "state": 1}
    assert type_of(body, ["Filters"]) == "deviceShellScript"
    assert type_of({"definitionValues": []}, ["Filters"]) == "groupPolicyConfiguration"


def test_a_template_names_its_type_in_any_case() -> None:
    assert type_of_template("Catalog") == "deviceManagementConfigurationPolicy"
    assert type_of_template("Admin") == "groupPolicyConfiguration"
    assert type_of_template("DeviceCompliancePolicies") == "deviceCompliancePolicy"
    assert type_of_template("windowsDriverUpdateProfiles") == "windowsDriverUpdateProfile"
    assert type_of_template("Group") is None
    assert type_of_template(None) is None
