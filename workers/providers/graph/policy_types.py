"""The types of policies that are read from Microsoft Graph: one row each.

A new type is one row. All are read from beta: v1.0 lacks half of the collections, and leaves out
settings and scope tags of the others (docs/graph.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.inventory.policy_types import COLLECTIONS
from workers.providers.graph.areas import Area

VERSION = "beta"
ROOT = "deviceManagement"
_CONFIGURATION = "DeviceManagementConfiguration.Read.All"
_SCRIPTS = "DeviceManagementScripts.Read.All"
_SERVICE = "DeviceManagementServiceConfig.Read.All"
_ACTIONS = "scheduledActionsForRule($expand=scheduledActionConfigurations)"


@dataclass(frozen=True, slots=True)
class Detail:
    """What a list of policies leaves out.

    It is the list `member` below a policy, or the policy itself without a `member`. `below` is what
    the list leaves out of its members.
    """

    member: str | None = None
    expand: str | None = None
    below: "Detail | None" = None

    @property
    def suffix(self) -> str:
        """What follows the path of the policy."""
        path = f"/{self.member}" if self.member else ""
        return f"{path}?$expand={self.expand}" if self.expand else path


ASSIGNMENTS = Detail("assignments")


@dataclass(frozen=True, slots=True)
class PolicyType:
    """How the policies of a collection are read.

    `expand` is what the list can have in one request; `page` is the largest page that it has.
    `selects_assigned` says that `$select` has `isAssigned`, which nothing else shows.
    `needs_licence` says that Graph refuses the list to tenants without a further licence.
    """

    collection: str
    area: Area
    permission: str = _CONFIGURATION
    expand: str | None = "assignments"
    details: Sequence[Detail] = ()
    page: int = 999
    selects_assigned: bool = False
    needs_licence: bool = False

    @property
    def path(self) -> str:
        """The path of the collection, without the version."""
        return f"{ROOT}/{self.collection}"

    @property
    def list_path(self) -> str:
        """The path of the first page."""
        expand = f"&$expand={self.expand}" if self.expand else ""
        return f"{self.path}?$top={self.page}{expand}"

    @property
    def odata_type(self) -> str:
        """The type of a policy that Graph returns without one."""
        return f"#microsoft.graph.{COLLECTIONS[self.collection]}"


def _scripts(collection: str) -> PolicyType:
    # A list has no contents of scripts.
    return PolicyType(collection, Area.SCRIPTS, _SCRIPTS, details=[Detail()])


def _update_profiles(collection: str) -> PolicyType:
    # Some tools report a 400 for lists that expand assignments, and for pages above 200.
    return PolicyType(
        collection,
        Area.OTHER,
        expand=None,
        details=[ASSIGNMENTS],
        page=200,
        needs_licence=True,
    )


_SETTINGS = Detail("settings")
# Without the explanation and other texts that are Microsoft's and change with its updates.
_DEFINITION = "definition($select=id,classType,displayName,categoryPath,policyType)"
_PRESENTATIONS = Detail("presentationValues", "presentation")

POLICY_TYPES: Mapping[str, PolicyType] = {
    row.collection: row
    for row in (
        PolicyType("assignmentFilters", Area.OTHER, expand=None),
        PolicyType(
            "compliancePolicies",
            Area.CONFIGURATION,
            expand=f"assignments,{_ACTIONS}",
            details=[_SETTINGS],
            selects_assigned=True,
        ),
        PolicyType(
            "configurationPolicies", Area.CATALOG, details=[_SETTINGS], selects_assigned=True
        ),
        PolicyType(
            "deviceCompliancePolicies", Area.CONFIGURATION, expand=f"assignments,{_ACTIONS}"
        ),
        PolicyType("deviceConfigurations", Area.CONFIGURATION),
        PolicyType("deviceEnrollmentConfigurations", Area.ENROLLMENT, _SERVICE),
        _scripts("deviceHealthScripts"),
        _scripts("deviceManagementScripts"),
        _scripts("deviceShellScripts"),
        PolicyType(
            "groupPolicyConfigurations",
            Area.OTHER,
            details=[Detail("definitionValues", _DEFINITION, below=_PRESENTATIONS)],
        ),
        PolicyType("intents", Area.OTHER, details=[_SETTINGS]),
        PolicyType(
            "notificationMessageTemplates",
            Area.OTHER,
            _SERVICE,
            expand=None,
            details=[Detail(expand="localizedNotificationMessages")],
        ),
        PolicyType("roleScopeTags", Area.OTHER, expand=None, details=[ASSIGNMENTS]),
        PolicyType("windowsAutopilotDeploymentProfiles", Area.ENROLLMENT, _SERVICE),
        _update_profiles("windowsDriverUpdateProfiles"),
        _update_profiles("windowsFeatureUpdateProfiles"),
        _update_profiles("windowsQualityUpdatePolicies"),
        _update_profiles("windowsQualityUpdateProfiles"),
    )
}
"""All types by collection, sorted."""
