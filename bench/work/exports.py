"""Generated exports: a folder of policies of the settings catalog, of two kilobytes each."""

import json
from pathlib import Path
from typing import Any

CHANGED_EACH = 100
"""One of so many policies differs between two versions."""

_SETTINGS = 6
_DEFINITION = "device_vendor_msft_policy_config_area_setting"


def write_export(folder: Path, policies: int) -> None:
    """Write the first version of an export."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(policies):
        _write(folder, number, 1)


def change_export(folder: Path, policies: int, version: int) -> int:
    """Write another version, in which 1 % of the policies differ; return how many."""
    changed = range(0, policies, CHANGED_EACH)
    for number in changed:
        _write(folder, number, version)
    return len(changed)


def _write(folder: Path, number: int, version: int) -> None:
    (folder / f"policy-{number}.json").write_text(json.dumps(policy(number, version)))


def policy(number: int, version: int) -> dict[str, Any]:
    """Return a version of a policy, as an export has it."""
    return {
        "@odata.type": "#microsoft.graph.deviceManagementConfigurationPolicy",
        "id": f"00000000-0000-0000-0000-{number:012}",
        "name": f"Policy {number}",
        "description": f"Policy {number} of a generated export",
        "createdDateTime": "2026-01-01T00:00:00Z",
        "lastModifiedDateTime": f"2026-01-{version:02}T00:00:00Z",
        "platforms": "windows10",
        "technologies": "mdm",
        "roleScopeTagIds": ["0"],
        "settingCount": _SETTINGS,
        "settings": [_setting(each, number + version * each) for each in range(_SETTINGS)],
    }


def _setting(number: int, value: int) -> dict[str, Any]:
    return {
        "id": str(number),
        "settingInstance": {
            "@odata.type": "#microsoft.graph.deviceManagementConfigurationChoiceSettingInstance",
            "settingDefinitionId": f"{_DEFINITION}_{number}",
            "choiceSettingValue": {
                "value": f"{_DEFINITION}_{number}_{value}",
                "children": [],
            },
        },
    }
