"""How much metadata Graph adds: `odata.metadata=full`, `minimal` (its default) or `none`.

Exports are full. Minimal keeps `@odata.type` only where a value has a more special type than the
one that is declared, so a member of `configurationPolicies` comes without a type.
"""

import re
from typing import Any

_LEVEL = re.compile(r"odata\.metadata=(full|minimal|none)")
_GRAPH = "#microsoft.graph."
# The types that Graph declares for a property or the members of a list, besides a collection's.
_DECLARED = {
    _GRAPH + name
    for name in (
        "deviceComplianceActionItem",
        "deviceComplianceScheduledActionForRule",
        "deviceManagementConfigurationChoiceSettingValue",
        "deviceManagementConfigurationGroupSettingValue",
        "deviceManagementConfigurationPolicyTemplateReference",
        "deviceManagementConfigurationSetting",
        "deviceManagementConfigurationSettingInstanceTemplateReference",
        "deviceManagementConfigurationSettingValueTemplateReference",
        "groupPolicyDefinition",
        "groupPolicyDefinitionValue",
    )
}


def level_of(accept: str) -> str:
    """Return the level that an `Accept` header names."""
    match = _LEVEL.search(accept)
    return match[1] if match else "minimal"


def reduced(value: Any, level: str, declared: str = "") -> Any:
    """Return a document with only the metadata of a level; `declared` is its declared type."""
    if isinstance(value, list):
        return [reduced(member, level) for member in value]
    if not isinstance(value, dict):
        return value
    kept = {}
    for key, member in value.items():
        if key == "@odata.type":
            if level == "minimal" and member not in _DECLARED and member != _GRAPH + declared:
                kept[key] = member
        elif "@odata." not in key and not key.startswith("#"):
            kept[key] = reduced(member, level)
    return kept
