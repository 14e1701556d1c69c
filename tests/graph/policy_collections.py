"""The collections of policies that the double serves: one row each.

Paths and versions are those of graph-provider.md. What may be expanded is what Graph's users do:
a collection's assignments in its list, a policy's settings only where the policy itself is read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.graph.counting import Area

BETA = frozenset({"beta"})
BOTH = frozenset({"beta", "v1.0"})
SETTINGS_PAGE = 25
_CONFIGURATION = "DeviceManagementConfiguration.Read.All"
_SERVICE = "DeviceManagementServiceConfig.Read.All"


@dataclass(frozen=True, slots=True)
class Navigation:
    """What hangs on an entity: a list with pages of this size, or one object."""

    page: int = 100
    in_lists: bool = True
    """Whether a list may expand it."""
    of_one: bool = True
    """Whether the entity itself may expand it."""
    single: bool = False
    links: Mapping[str, "Navigation"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Collection:
    """Policies of one kind; `type_name` is what Graph declares for the members."""

    area: Area
    type_name: str
    links: Mapping[str, Navigation]
    versions: frozenset[str] = BETA
    hidden: frozenset[str] = frozenset()
    """Properties that are null in a list."""
    role: str = _CONFIGURATION
    on_select: frozenset[str] = frozenset()
    """Computed properties that only `$select` returns."""


_ASSIGNMENTS = {"assignments": Navigation()}
_NESTED_SETTINGS = Navigation(page=SETTINGS_PAGE, in_lists=False)
_ACTIONS = Navigation(links={"scheduledActionConfigurations": Navigation()})
_SCRIPT = frozenset({"scriptContent"})
_PRESENTATIONS = Navigation(
    in_lists=False, of_one=False, links={"presentation": Navigation(single=True)}
)
_DEFINITION_VALUES = Navigation(
    in_lists=False,
    of_one=False,
    links={"definition": Navigation(single=True), "presentationValues": _PRESENTATIONS},
)


def _scripts(type_name: str, hidden: frozenset[str] = _SCRIPT) -> Collection:
    return Collection(Area.SCRIPTS, type_name, _ASSIGNMENTS, hidden=hidden)


def _profiles(type_name: str) -> Collection:
    return Collection(Area.OTHER, type_name, _ASSIGNMENTS)


COLLECTIONS: Mapping[str, Collection] = {
    "configurationPolicies": Collection(
        Area.CATALOG,
        "deviceManagementConfigurationPolicy",
        {"settings": _NESTED_SETTINGS, **_ASSIGNMENTS},
        on_select=frozenset({"isAssigned"}),
    ),
    "deviceConfigurations": Collection(
        Area.CONFIGURATION, "deviceConfiguration", _ASSIGNMENTS, BOTH
    ),
    "deviceCompliancePolicies": Collection(
        Area.CONFIGURATION,
        "deviceCompliancePolicy",
        {"scheduledActionsForRule": _ACTIONS, **_ASSIGNMENTS},
        BOTH,
    ),
    "compliancePolicies": Collection(
        Area.CONFIGURATION,
        "deviceManagementCompliancePolicy",
        {"settings": _NESTED_SETTINGS, "scheduledActionsForRule": _ACTIONS, **_ASSIGNMENTS},
        on_select=frozenset({"isAssigned"}),
    ),
    "deviceEnrollmentConfigurations": Collection(
        Area.ENROLLMENT, "deviceEnrollmentConfiguration", _ASSIGNMENTS, BOTH, role=_SERVICE
    ),
    "windowsAutopilotDeploymentProfiles": Collection(
        Area.ENROLLMENT, "windowsAutopilotDeploymentProfile", _ASSIGNMENTS, role=_SERVICE
    ),
    "groupPolicyConfigurations": Collection(
        Area.OTHER,
        "groupPolicyConfiguration",
        {"definitionValues": _DEFINITION_VALUES, **_ASSIGNMENTS},
    ),
    "deviceManagementScripts": _scripts("deviceManagementScript"),
    "deviceShellScripts": _scripts("deviceShellScript"),
    "deviceHealthScripts": _scripts(
        "deviceHealthScript", frozenset({"detectionScriptContent", "remediationScriptContent"})
    ),
    "windowsFeatureUpdateProfiles": _profiles("windowsFeatureUpdateProfile"),
    "windowsQualityUpdateProfiles": _profiles("windowsQualityUpdateProfile"),
    "windowsQualityUpdatePolicies": _profiles("windowsQualityUpdatePolicy"),
    "windowsDriverUpdateProfiles": _profiles("windowsDriverUpdateProfile"),
    "intents": Collection(
        Area.OTHER,
        "deviceManagementIntent",
        {
            "settings": Navigation(page=SETTINGS_PAGE, in_lists=False, of_one=False),
            "assignments": Navigation(in_lists=False, of_one=False),
        },
    ),
    "notificationMessageTemplates": Collection(
        Area.OTHER,
        "notificationMessageTemplate",
        {"localizedNotificationMessages": Navigation(in_lists=False)},
        BOTH,
        role=_SERVICE,
    ),
    "roleScopeTags": Collection(
        Area.OTHER, "roleScopeTag", _ASSIGNMENTS, role="DeviceManagementRBAC.Read.All"
    ),
    "assignmentFilters": Collection(Area.OTHER, "deviceAndAppManagementAssignmentFilter", {}),
}

# v1.0 does not have these types, and loses these properties of the others (graph-provider.md).
V1_MISSING_TYPES = frozenset({"windowsHealthMonitoringConfiguration"})
V1_LOST: Mapping[str, frozenset[str]] = {
    "deviceConfigurations": frozenset(
        {
            "deviceManagementApplicabilityRuleDeviceMode",
            "deviceManagementApplicabilityRuleOsEdition",
            "deviceManagementApplicabilityRuleOsVersion",
            "roleScopeTagIds",
            "supportsScopeTags",
        }
    ),
    "deviceCompliancePolicies": frozenset(
        {
            "activeFirewallRequired",
            "antiSpywareRequired",
            "antivirusRequired",
            "configurationManagerComplianceRequired",
            "defenderEnabled",
            "defenderVersion",
            "deviceCompliancePolicyScript",
            "deviceThreatProtectionEnabled",
            "deviceThreatProtectionRequiredSecurityLevel",
            "firmwareProtectionEnabled",
            "kernelDmaProtectionEnabled",
            "memoryIntegrityEnabled",
            "roleScopeTagIds",
            "rtpEnabled",
            "signatureOutOfDate",
            "tpmRequired",
            "validOperatingSystemBuildRanges",
            "virtualizationBasedSecurityEnabled",
        }
    ),
    "deviceEnrollmentConfigurations": frozenset({"roleScopeTagIds"}),
    "notificationMessageTemplates": frozenset({"roleScopeTagIds"}),
}
