"""The collections of policies that the double serves: one row each.

Paths and versions are those of graph-provider.md. What may be expanded is what public tools do:
assignments in lists, settings at the price of small pages, and nothing below definition values.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.graph.counting import Area

BETA = frozenset({"beta"})
BOTH = frozenset({"beta", "v1.0"})
SETTINGS_PAGE = 25
_CONFIGURATION = frozenset({"DeviceManagementConfiguration.Read.All"})
_SERVICE = frozenset({"DeviceManagementServiceConfig.Read.All"})


@dataclass(frozen=True, slots=True)
class Navigation:
    """What hangs on an entity: a list with pages of this size, or one object."""

    page: int = 100
    in_lists: bool = True
    """Whether a list may expand it."""
    list_page: int | None = None
    """The most members of a list that expands it."""
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
    roles: frozenset[str] = _CONFIGURATION
    """Any of these permissions is enough."""
    on_select: frozenset[str] = frozenset()
    """Computed properties that only `$select` returns."""


_ASSIGNMENTS = {"assignments": Navigation()}
# Graph's pages shrink to one or two policies in a list that expands settings.
_SETTINGS = Navigation(page=SETTINGS_PAGE, list_page=1)
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
    roles = _CONFIGURATION | {"DeviceManagementScripts.Read.All"}
    return Collection(Area.SCRIPTS, type_name, _ASSIGNMENTS, hidden=hidden, roles=roles)


def _profiles(type_name: str) -> Collection:
    return Collection(Area.OTHER, type_name, _ASSIGNMENTS)


COLLECTIONS: Mapping[str, Collection] = {
    "configurationPolicies": Collection(
        Area.CATALOG,
        "deviceManagementConfigurationPolicy",
        {"settings": _SETTINGS, **_ASSIGNMENTS},
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
        {"settings": _SETTINGS, "scheduledActionsForRule": _ACTIONS, **_ASSIGNMENTS},
        on_select=frozenset({"isAssigned"}),
    ),
    "deviceEnrollmentConfigurations": Collection(
        Area.ENROLLMENT, "deviceEnrollmentConfiguration", _ASSIGNMENTS, BOTH, roles=_SERVICE
    ),
    "windowsAutopilotDeploymentProfiles": Collection(
        Area.ENROLLMENT, "windowsAutopilotDeploymentProfile", _ASSIGNMENTS, roles=_SERVICE
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
            **_ASSIGNMENTS,
        },
    ),
    "notificationMessageTemplates": Collection(
        Area.OTHER,
        "notificationMessageTemplate",
        {"localizedNotificationMessages": Navigation(in_lists=False)},
        BOTH,
        roles=_SERVICE,
    ),
    "roleScopeTags": Collection(
        Area.OTHER,
        "roleScopeTag",
        _ASSIGNMENTS,
        roles=_CONFIGURATION | {"DeviceManagementRBAC.Read.All"},
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
