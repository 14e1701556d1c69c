"""Small policies of every collection, for tests that need more than the real exports have.

The same seed gives the same policies. Assignments name groups by the ids that the test passes.
"""

import random
from base64 import b64encode
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from tests.graph.exports import Document

_GRAPH = "#microsoft.graph."
_MOMENT = "2026-01-02T03:04:05Z"


def sample_policies(
    count: int, *, seed: int = 0, groups: Sequence[str] = (), tags: Sequence[str] = ("0",)
) -> Mapping[str, list[Document]]:
    """Return `count` policies by collection, and the scope tags; every second one is a catalog's.

    Each is assigned to at most three of `groups`, and has one of the scope tags.
    """
    samples, by_collection = _Samples(seed, groups, tags), defaultdict(list)
    kinds = [*samples.kinds]
    for number in range(count):
        name = "configurationPolicies" if number % 2 else kinds[number // 2 % len(kinds)]
        by_collection[name].append(samples.kinds[name]())
    by_collection["roleScopeTags"] = [
        {
            "@odata.type": f"{_GRAPH}roleScopeTag",
            "id": tag,
            "displayName": "Default" if tag == "0" else f"Tag {tag}",
            "description": "",
            "isBuiltIn": tag == "0",
        }
        for tag in tags
    ]
    return by_collection


class _Samples:
    """Makes one policy after the other."""

    def __init__(self, seed: int, groups: Sequence[str], tags: Sequence[str]) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - no secret
        self._groups = groups
        self._tags = tags
        self.kinds: Mapping[str, Callable[[], Document]] = {
            "configurationPolicies": self._catalog,
            "groupPolicyConfigurations": self._group_policy,
            "deviceConfigurations": self._configuration,
            "deviceCompliancePolicies": self._compliance,
            "compliancePolicies": self._linux_compliance,
            "deviceManagementScripts": lambda: self._script("deviceManagementScript"),
            "deviceShellScripts": lambda: self._script("deviceShellScript"),
            "deviceHealthScripts": self._health_script,
            "deviceEnrollmentConfigurations": self._enrollment,
            "windowsAutopilotDeploymentProfiles": self._autopilot,
            "windowsFeatureUpdateProfiles": lambda: self._assigned(
                "windowsFeatureUpdateProfile", featureUpdateVersion="Windows 11, version 25H2"
            ),
            "windowsQualityUpdateProfiles": lambda: self._assigned(
                "windowsQualityUpdateProfile",
                expeditedUpdateSettings={"daysUntilForcedReboot": self._chance.randint(0, 2)},
            ),
            "windowsDriverUpdateProfiles": lambda: self._assigned(
                "windowsDriverUpdateProfile", deploymentDeferralInDays=self._chance.randint(0, 14)
            ),
            "intents": self._intent,
            "notificationMessageTemplates": self._notification,
            "assignmentFilters": self._filter,
        }

    def _policy(self, type_name: str, naming: str = "displayName", **more: Any) -> Document:
        policy_id = self._id()
        return {
            "@odata.type": _GRAPH + type_name,
            "id": policy_id,
            naming: f"{type_name} {policy_id[:8]}",
            "description": "",
            "createdDateTime": _MOMENT,
            "lastModifiedDateTime": _MOMENT,
            "roleScopeTagIds": [self._chance.choice(self._tags)],
            **more,
        }

    def _assigned(self, type_name: str, naming: str = "displayName", **more: Any) -> Document:
        policy = self._policy(type_name, naming, **more)
        count = min(len(self._groups), self._chance.randint(0, 3))
        assignments = [
            {
                "id": f"{policy['id']}_{group}",
                "target": {
                    "@odata.type": f"{_GRAPH}groupAssignmentTarget",
                    "deviceAndAppManagementAssignmentFilterId": None,
                    "deviceAndAppManagementAssignmentFilterType": "none",
                    "groupId": group,
                },
            }
            for group in self._chance.sample(self._groups, count)
        ]
        return {**policy, "assignments": assignments}

    def _catalog(self) -> Document:
        settings = self._settings()
        return self._assigned(
            "deviceManagementConfigurationPolicy",
            "name",
            platforms="windows10",
            technologies="mdm",
            settingCount=len(settings),
            templateReference={"templateId": "", "templateFamily": "none"},
            settings=settings,
        )

    def _linux_compliance(self) -> Document:
        settings = self._settings()
        return self._assigned(
            "deviceManagementCompliancePolicy",
            "name",
            platforms="linux",
            technologies="linuxMdm",
            settingCount=len(settings),
            settings=settings,
            scheduledActionsForRule=self._actions(),
        )

    def _settings(self) -> list[Document]:
        # Most policies fit on a page; some have exactly one, or several.
        count = self._chance.choice([1, 2, 3, 5, 8, 13, 25, 26, 60])
        return [self._setting(number) for number in range(count)]

    def _setting(self, number: int) -> Document:
        name = f"device_vendor_msft_policy_config_sample_{number}"
        return {
            "id": str(number),
            "settingInstance": {
                "@odata.type": f"{_GRAPH}deviceManagementConfigurationChoiceSettingInstance",
                "settingDefinitionId": name,
                "settingInstanceTemplateReference": None,
                "choiceSettingValue": {
                    "settingValueTemplateReference": None,
                    "value": f"{name}_{self._chance.randint(0, 1)}",
                    "children": [],
                },
            },
        }

    def _group_policy(self) -> Document:
        values = [self._definition_value() for _ in range(self._chance.randint(1, 3))]
        return self._assigned(
            "groupPolicyConfiguration",
            policyConfigurationIngestionType="builtIn",
            definitionValues=values,
        )

    def _definition_value(self) -> Document:
        presentations = [
            {
                "@odata.type": f"{_GRAPH}groupPolicyPresentationValueText",
                "id": self._id(),
                "createdDateTime": _MOMENT,
                "lastModifiedDateTime": _MOMENT,
                "value": str(self._chance.randint(1, 99)),
                "presentation": {
                    "@odata.type": f"{_GRAPH}groupPolicyPresentationTextBox",
                    "id": self._id(),
                    "label": "Days",
                    "required": True,
                },
            }
            for _ in range(self._chance.randint(0, 2))
        ]
        return {
            "@odata.type": f"{_GRAPH}groupPolicyDefinitionValue",
            "id": self._id(),
            "enabled": True,
            "configurationType": "policy",
            "createdDateTime": _MOMENT,
            "lastModifiedDateTime": _MOMENT,
            "definition": {
                "@odata.type": f"{_GRAPH}groupPolicyDefinition",
                "id": self._id(),
                "classType": "machine",
                "displayName": f"Setting {self._chance.randint(1, 999)}",
                "categoryPath": "\\Windows Components\\Samples",
                "policyType": "admxBacked",
            },
            "presentationValues": presentations,
        }

    def _configuration(self) -> Document:
        return self._assigned(
            "windows10GeneralConfiguration",
            version=1,
            supportsScopeTags=True,
            cameraBlocked=self._chance.random() < 0.5,
            passwordMinimumLength=self._chance.randint(4, 16),
        )

    def _compliance(self) -> Document:
        return self._assigned(
            "windows10CompliancePolicy",
            version=1,
            passwordRequired=True,
            passwordMinimumLength=self._chance.randint(4, 16),
            defenderEnabled=True,
            tpmRequired=self._chance.random() < 0.5,
            scheduledActionsForRule=self._actions(),
        )

    def _actions(self) -> list[Document]:
        action = {
            "id": self._id(),
            "gracePeriodHours": self._chance.choice([0, 24, 72]),
            "actionType": "block",
            "notificationTemplateId": str(UUID(int=0)),
            "notificationMessageCCList": [],
        }
        configurations = {"scheduledActionConfigurations": [action]}
        return [{"id": self._id(), "ruleName": None, **configurations}]

    def _script(self, type_name: str) -> Document:
        return self._assigned(
            type_name,
            fileName="sample.txt",
            runAsAccount="system",
            scriptContent=self._content(),
        )

    def _health_script(self) -> Document:
        return self._assigned(
            "deviceHealthScript",
            publisher="Samples",
            version="1.0",
            runAsAccount="system",
            isGlobalScript=False,
            detectionScriptContent=self._content(),
            remediationScriptContent=self._content(),
        )

    def _content(self) -> str:
        return b64encode(f"exit {self._chance.randint(0, 255)}".encode()).decode()

    def _enrollment(self) -> Document:
        return self._assigned(
            "deviceEnrollmentLimitConfiguration",
            priority=self._chance.randint(1, 9),
            version=1,
            limit=self._chance.randint(1, 15),
        )

    def _autopilot(self) -> Document:
        return self._assigned(
            "azureADWindowsAutopilotDeploymentProfile",
            language="os-default",
            deviceNameTemplate=f"PC-{self._chance.randint(1, 99)}-%RAND:5%",
        )

    def _intent(self) -> Document:
        settings = [
            {
                "@odata.type": f"{_GRAPH}deviceManagementBooleanSettingInstance",
                "id": self._id(),
                "definitionId": f"deviceConfiguration--sample_{number}",
                "valueJson": "true",
                "value": True,
            }
            for number in range(self._chance.choice([1, 3, 26]))
        ]
        intent = self._assigned("deviceManagementIntent", templateId=self._id(), settings=settings)
        return {**intent, "isAssigned": bool(intent["assignments"])}

    def _notification(self) -> Document:
        message = {
            "id": self._id(),
            "lastModifiedDateTime": _MOMENT,
            "locale": "en-us",
            "subject": "Your device",
            "messageTemplate": f"Text {self._chance.randint(1, 99)}",
            "isDefault": True,
        }
        return self._policy(
            "notificationMessageTemplate",
            defaultLocale="en-us",
            localizedNotificationMessages=[message],
        )

    def _filter(self) -> Document:
        return self._policy(
            "deviceAndAppManagementAssignmentFilter",
            platform="windows10AndLater",
            rule=f'(device.model -eq "Model {self._chance.randint(1, 99)}")',
        )

    def _id(self) -> str:
        return str(UUID(int=self._chance.getrandbits(128)))
