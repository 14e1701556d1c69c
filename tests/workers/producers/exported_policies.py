"""A policy in every format of exports, before and after one change."""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any, NamedTuple

import yaml  # type: ignore[import-untyped]

from domain.drift.models import ChangeKind
from domain.inventory.models import PolicyFormat

ROOT = "https://graph.microsoft.com/beta/$metadata#deviceManagement"
LIMIT = "device_vendor_msft_policy_config_inactivitylimit"
VALUE = f"settings[{LIMIT}].simpleSettingValue.value"


def setting(name: str, value: Any) -> dict[str, Any]:
    return {
        "id": "0",
        "settingInstance": {
            "@odata.type": "#microsoft.graph.deviceManagementConfigurationSimpleSettingInstance",
            "settingDefinitionId": name,
            "simpleSettingValue": {
                "@odata.type": "#microsoft.graph.deviceManagementConfigurationIntegerSettingValue",
                "value": value,
            },
        },
    }


CATALOG = {
    "description": "",
    "name": "Screen lock",
    "platforms": "windows10",
    "roleScopeTagIds": ["0"],
    "settingCount": 2,
    "technologies": "mdm",
    "templateReference": {"templateId": "", "templateFamily": "none"},
    "settings": [setting(LIMIT, 300), setting("device_vendor_msft_other", 1)],
}
GROUP = {
    "@odata.type": "#microsoft.graph.groupAssignmentTarget",
    "groupName": "All laptops",
    "groupType": "StaticMembership",
}
COMPLIANCE = {
    "@odata.type": "#microsoft.graph.windows10CompliancePolicy",
    "roleScopeTagIds": ["0"],
    "displayName": "Password",
    "passwordRequired": True,
    "passwordMinimumLength": 8,
    "validUntil": "2027-01-01",
    "assignments": [{"intent": None, "source": "direct", "target": GROUP}],
}
UPDATE_RING = {"displayName": "Ring 1", "approvalType": "manual", "deploymentDeferralInDays": 3}
BIND = "https://graph.microsoft.com/beta/deviceManagement/groupPolicyDefinitions('d-1')"
ADDED = {"added": [{"definition@odata.bind": BIND, "enabled": True, "presentationValues": []}]}


class Case(NamedTuple):
    """A policy in one format: its files before and after one change, and that change."""

    format: PolicyFormat
    file: str
    before: str
    after: str
    path: str
    kind: ChangeKind = ChangeKind.CHANGED


def case(
    format_: PolicyFormat,
    file: str,
    body: dict[str, Any],
    change: Callable[[Any], None],
    path: str,
    kind: ChangeKind = ChangeKind.CHANGED,
    *,
    write: Callable[[Any], str] = lambda body: json.dumps(body, indent=5),
) -> Case:
    changed = deepcopy(body)
    change(changed)
    return Case(format_, file, write(body), write(changed), path, kind)


def to_yaml(body: Any) -> str:
    return str(yaml.dump(body, sort_keys=False, default_flow_style=False))


def template(kind: str) -> Callable[[Any], str]:
    def write(body: Any) -> str:
        raw = json.dumps(body)
        described = {"Displayname": kind, "Description": "", "RAWJson": raw, "Type": kind}
        return json.dumps({**described, "GUID": f"00000000-{kind}"})

    return write


def row(body: Any) -> str:
    return json.dumps({"PartitionKey": "CATemplate", "RowKey": "c-1", "JSON": json.dumps(body)})


def relax(body: Any) -> None:
    body["settings"][0]["settingInstance"]["simpleSettingValue"]["value"] = 900


def lengthen(body: Any) -> None:
    body["passwordMinimumLength"] = 12


def not_required(body: Any) -> None:
    body["passwordRequired"] = False


def another_date(body: Any) -> None:
    body["validUntil"] = "2028-01-01"


def defer(body: Any) -> None:
    body["deploymentDeferralInDays"] = 7


def disable(body: Any) -> None:
    body["added"][0]["enabled"] = False


def enable(body: Any) -> None:
    body["state"] = "enabled"


def exclude(body: Any) -> None:
    body["assignments"][0]["target"]["@odata.type"] = (
        "#microsoft.graph.exclusionGroupAssignmentTarget"
    )


LENGTH = "passwordMinimumLength"
ACCESS = {"displayName": "MFA", "state": "disabled", "conditions": {"clientAppTypes": ["all"]}}
PORTAL_CATALOG = {"@odata.context": f"{ROOT}/configurationPolicies/$entity", "id": "p-1", **CATALOG}
PORTAL_RING = {
    "@odata.context": f"{ROOT}/windowsDriverUpdateProfiles(assignments())/$entity",
    "id": "p-2",
    **UPDATE_RING,
}
MANAGED = {**COMPLIANCE, "id": "m-1", "@odata.id": "deviceCompliancePolicies('m-1')"}
GRAPH, PORTAL, CIPP = PolicyFormat.GRAPH_OBJECT, PolicyFormat.PORTAL, PolicyFormat.CIPP
CD_JSON, CD_YAML = PolicyFormat.INTUNE_CD_JSON, PolicyFormat.INTUNE_CD_YAML
CASES = [
    case(GRAPH, "CompliancePolicies/Password.json", MANAGED, lengthen, LENGTH),
    case(PORTAL, "Screen lock.json", PORTAL_CATALOG, relax, VALUE),
    case(PORTAL, "Ring 1.json", PORTAL_RING, defer, "deploymentDeferralInDays"),
    case(CD_JSON, "Settings Catalog/Screen lock_mdm.json", CATALOG, relax, VALUE),
    case(CD_JSON, "Compliance Policies/Policies/Password.json", COMPLIANCE, lengthen, LENGTH),
    case(CD_JSON, "Driver Updates/Ring 1.json", UPDATE_RING, defer, "deploymentDeferralInDays"),
    case(CD_YAML, "Settings Catalog/Screen lock_mdm.yaml", CATALOG, relax, VALUE, write=to_yaml),
    case(
        CD_YAML,
        "Compliance Policies/Policies/Password.yaml",
        COMPLIANCE,
        not_required,
        "passwordRequired",
        write=to_yaml,
    ),
    case(CD_YAML, "Password.yml", COMPLIANCE, another_date, "validUntil", write=to_yaml),
    case(
        CD_YAML,
        "Excluded.yaml",
        COMPLIANCE,
        exclude,
        "assignments[All laptops].target.@odata.type",
        write=to_yaml,
    ),
    case(CIPP, "a.IntuneTemplate.json", CATALOG, relax, VALUE, write=template("Catalog")),
    case(CIPP, "b.json", COMPLIANCE, lengthen, LENGTH, write=template("deviceCompliancePolicies")),
    case(
        CIPP,
        "c.json",
        ADDED,
        disable,
        "definitionValues[deviceManagement/groupPolicyDefinitions('d-1')].enabled",
        write=template("Admin"),
    ),
    case(CIPP, "d.json", ACCESS, enable, "state", write=row),
]
