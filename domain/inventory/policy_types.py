"""Find the type of a policy whose document has no `@odata.type` (P8)."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from domain.inventory.policies import short_type

COLLECTIONS = {
    "androidManagedAppProtections": "androidManagedAppProtection",
    "assignmentFilters": "deviceAndAppManagementAssignmentFilter",
    "compliancePolicies": "deviceManagementCompliancePolicy",
    "conditionalAccess/policies": "conditionalAccessPolicy",
    "configurationPolicies": "deviceManagementConfigurationPolicy",
    "deviceCategories": "deviceCategory",
    "deviceCompliancePolicies": "deviceCompliancePolicy",
    "deviceComplianceScripts": "deviceComplianceScript",
    "deviceConfigurations": "deviceConfiguration",
    "deviceCustomAttributeShellScripts": "deviceCustomAttributeShellScript",
    "deviceEnrollmentConfigurations": "deviceEnrollmentConfiguration",
    "deviceHealthScripts": "deviceHealthScript",
    "deviceManagementScripts": "deviceManagementScript",
    "deviceShellScripts": "deviceShellScript",
    "enrollmentProfiles": "enrollmentProfile",
    "groupPolicyConfigurations": "groupPolicyConfiguration",
    "intents": "deviceManagementIntent",
    "iosManagedAppProtections": "iosManagedAppProtection",
    "managedAppPolicies": "managedAppPolicy",
    "mdmWindowsInformationProtectionPolicies": "mdmWindowsInformationProtectionPolicy",
    "mobileAppConfigurations": "managedDeviceMobileAppConfiguration",
    "mobileApps": "mobileApp",
    "notificationMessageTemplates": "notificationMessageTemplate",
    "policySets": "policySet",
    "reusablePolicySettings": "deviceManagementReusablePolicySetting",
    "roleDefinitions": "roleDefinition",
    "roleScopeTags": "roleScopeTag",
    "settings": "deviceManagementSettings",
    "targetedManagedAppConfigurations": "targetedManagedAppConfiguration",
    "termsAndConditions": "termsAndConditions",
    "windowsAutopilotDeploymentProfiles": "windowsAutopilotDeploymentProfile",
    "windowsDriverUpdateProfiles": "windowsDriverUpdateProfile",
    "windowsFeatureUpdateProfiles": "windowsFeatureUpdateProfile",
    "windowsInformationProtectionPolicies": "windowsInformationProtectionPolicy",
    "windowsManagedAppProtections": "windowsManagedAppProtection",
    "windowsQualityUpdatePolicies": "windowsQualityUpdatePolicy",
    "windowsQualityUpdateProfiles": "windowsQualityUpdateProfile",
}
"""By Graph's collection: the type of its members, of which some have a more precise one."""
# CIPP's own names of collections; its others are Graph's, in any case.
_CIPP = {
    "admin": "groupPolicyConfigurations",
    "appconfiguration": "mobileAppConfigurations",
    "appprotection": "managedAppPolicies",
    "catalog": "configurationPolicies",
    "device": "deviceConfigurations",
} | {name.casefold(): name for name in COLLECTIONS}
# IntuneCD's folders; the documents in its others have an `@odata.type`.
_FOLDERS = {
    "Compliance Policies/Message Templates": "notificationMessageTemplates",
    "Compliance Policies/Scripts": "deviceComplianceScripts",
    "Conditional Access": "conditionalAccess/policies",
    "Custom Attributes": "deviceCustomAttributeShellScripts",
    "Device Categories": "deviceCategories",
    "Device Management Settings": "settings",
    "Driver Updates": "windowsDriverUpdateProfiles",
    "Enrollment Profiles/Apple": "enrollmentProfiles",
    "Enrollment Profiles/Windows": "windowsAutopilotDeploymentProfiles",
    "Feature Updates": "windowsFeatureUpdateProfiles",
    "Filters": "assignmentFilters",
    "Group Policy Configurations": "groupPolicyConfigurations",
    "Management Intents": "intents",
    "Proactive Remediations": "deviceHealthScripts",
    "Quality Updates": "windowsQualityUpdateProfiles",
    "Roles": "roleDefinitions",
    "Scope Tags": "roleScopeTags",
    "Scripts/Powershell": "deviceManagementScripts",
    "Scripts/Shell": "deviceShellScripts",
    "Settings Catalog": "configurationPolicies",
}
_MAX_CONTEXT_LENGTH = 2000
_GRAPH = "microsoft.graph."
# What is in brackets: a key, or what `$select` and `$expand` return.
_BRACKETS = re.compile(r"\([^()]*\)")


def type_of(body: Mapping[str, Any], folders: Sequence[str] = ()) -> str | None:
    """Return the type that a document without `@odata.type` has, if anything says so.

    In this order: its `@odata.context`, its members, the folders in which IntuneCD writes it.
    """
    collection = _of_members(body) or _of_folders(folders)
    return _of_context(body.get("@odata.context")) or (
        COLLECTIONS[collection] if collection else None
    )


def type_of_template(name: Any) -> str | None:
    """Return the type of the policy in a CIPP template by the template's `Type`."""
    collection = _CIPP.get(name.casefold()) if isinstance(name, str) else None
    return COLLECTIONS[collection] if collection else None


def _of_context(context: Any) -> str | None:
    """Return the type of the entity of a context.

    For example `…/$metadata#deviceManagement/configurationPolicies(settings())/$entity`, or
    `…#deviceManagement/deviceConfigurations/microsoft.graph.iosCustomConfiguration/$entity`.
    """
    if not isinstance(context, str) or len(context) > _MAX_CONTEXT_LENGTH:
        return None
    path, before = context.partition("#")[2], ""
    while path != before:
        path, before = _BRACKETS.sub("", path), path
    parts = [part for part in path.split("/") if part and part != "$entity"]
    if not parts:
        return None
    if parts[-1].startswith(_GRAPH):
        return short_type(parts[-1])
    return COLLECTIONS.get("/".join(parts[-2:])) or COLLECTIONS.get(parts[-1])


def _of_members(body: Mapping[str, Any]) -> str | None:
    """Return the collection whose members alone have these properties."""
    if {"name", "platforms", "technologies"} <= body.keys():
        is_compliance = "scheduledActionsForRule" in body
        return "compliancePolicies" if is_compliance else "configurationPolicies"
    if {"settingDefinitionId", "settingInstance"} <= body.keys():
        return "reusablePolicySettings"
    if "definitionValues" in body:
        return "groupPolicyConfigurations"
    if {"settingsDelta", "templateId"} <= body.keys():
        return "intents"
    if {"conditions", "state"} <= body.keys():
        return "conditionalAccess/policies"
    return None


def _of_folders(folders: Sequence[str]) -> str | None:
    for end in range(len(folders), 0, -1):
        for start in (end - 2, end - 1):
            collection = _FOLDERS.get("/".join(folders[max(start, 0) : end]))
            if collection is not None:
                return collection
    return None
