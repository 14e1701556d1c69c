"""A small, invented policy export for the demo's tenants: the same every time."""

import json
import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple
from uuid import UUID, uuid5

Version = Literal["january", "february", "march", 1, 2]
Body = dict[str, Any]

_SEED = UUID("5b0c9b1e-3f0e-4d57-9a4e-6f1f0f6f2a10")
_VERSIONS_FOLDER = ".exports"

_COMPLIANCE = "windows10CompliancePolicy"
_CATALOG = "deviceManagementConfigurationPolicy"
_UPDATES = "windowsUpdateForBusinessConfiguration"
_DRIVERS = "windowsDriverUpdateProfile"

# By type and subject: the properties, or for the catalog the settings. A pair is a choice and the
# settings that depend on it.
_FLEETS = ("Workstations", "Laptops", "Kiosks", "Meeting rooms", "Shared devices")
_FLEET_POLICIES: dict[tuple[str, str], Body] = {
    (_COMPLIANCE, "Health"): {"osMinimumVersion": "10.4", "storageRequireEncryption": True},
    (_COMPLIANCE, "Password"): {"passwordRequired": True, "passwordMinimumLength": 10},
    (_CATALOG, "Disk encryption"): {
        "disk_encryption": ("disk_encryption_required", {"disk_pinlength": 6}),
        "disk_recovery": ["directory", "printout"],
    },
    (_CATALOG, "Firewall"): {
        "firewall_inbound": ("firewall_inbound_block", {}),
        "firewall_ranges": ["10.20.0.0/16", "10.30.0.0/16"],
    },
    (_CATALOG, "Browser"): {
        "browser_homepage": "https://start.example",
        "browser_popups": ("browser_popups_block", {}),
    },
    (_CATALOG, "Sign-in"): {
        "signin_idleminutes": 10,
        "signin_lastuser": ("signin_lastuser_hide", {}),
    },
}
_RINGS = {"Preview": 0, "Pilot": 2, "Early": 5, "Broad": 10, "Critical": 21}


class _Edition(NamedTuple):
    """The differences between a version and the policies above."""

    number: int
    absent: set[str]
    changed: Mapping[str, Body]


_ADDED_LATER = {"Kiosks - Browser", "Meeting rooms - Sign-in", "Drivers - Critical"}
# The demo's history uses the versions that are named by a month; the demo starts with version 1.
_EDITIONS: Mapping[Version, _Edition] = {
    "january": _Edition(
        1,
        _ADDED_LATER | {"Laptops - Browser", "Drivers - Pilot"},
        {
            "Workstations - Health": {"osMinimumVersion": "10.3"},
            "Kiosks - Password": {"passwordMinimumLength": 6},
        },
    ),
    "february": _Edition(
        1,
        _ADDED_LATER | {"Drivers - Pilot"},
        {
            "Workstations - Health": {"osMinimumVersion": "10.3"},
            "Updates - Broad": {"qualityUpdatesDeferralPeriodInDays": 14},
        },
    ),
    "march": _Edition(
        1,
        _ADDED_LATER | {"Laptops - Firewall"},
        {
            "Kiosks - Sign-in": {"signin_idleminutes": 30},
            "Updates - Broad": {"qualityUpdatesDeferralPeriodInDays": 14},
            "Workstations - Browser": {"browser_homepage": "https://intranet.example"},
        },
    ),
    1: _Edition(1, _ADDED_LATER, {}),
    2: _Edition(
        2,
        {"Shared devices - Browser", "Updates - Preview"},
        {
            "Workstations - Health": {"osMinimumVersion": "10.5"},
            "Laptops - Password": {"passwordMinimumLength": 14, "passwordExpirationDays": 365},
            "Updates - Broad": {"qualityUpdatesDeferralPeriodInDays": 7},
            "Laptops - Disk encryption": {
                "disk_encryption": ("disk_encryption_required", {"disk_pinlength": 8}),
            },
            "Workstations - Firewall": {
                "firewall_logging": ("firewall_logging_dropped", {"firewall_logsize": 16}),
                "firewall_ranges": ["10.20.0.0/16", "10.40.0.0/16"],
            },
        },
    ),
}


def write_export(folder: Path, version: Version, *, broken: bool = False) -> None:
    """Write an export of about 40 policies, and make `folder` a link to it.

    Version 2 has 3 policies that version 1 lacks, lacks 2 policies of version 1, and differs in 5.
    `broken` adds files as real exports may hold them: one that ends early, two with the same id,
    and two good ones, in UTF-16 and with a BOM.

    The link is swapped atomically, so a reader sees either the old export or the new one. The old
    one stays until the next call, for a reader that still uses it.

    Raises:
        FileExistsError: `folder` is not a link, so this module did not write it.
    """
    if folder.exists() and not folder.is_symlink():
        raise FileExistsError(f"{folder} was not written by the demo, so it is left alone.")
    former = folder.readlink().name if folder.is_symlink() else None
    versions = folder.parent / _VERSIONS_FOLDER / folder.name
    fresh = versions / secrets.token_hex(4)
    files = dict(_files(_EDITIONS[version]))
    if broken:
        files |= _broken_files()
    for name, content in files.items():
        path = fresh / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    link = fresh / "link"
    link.symlink_to(fresh.relative_to(folder.parent))
    link.replace(folder)
    for other in versions.iterdir():
        if other.name not in (former, fresh.name):
            shutil.rmtree(other)


def _files(edition: _Edition) -> Iterator[tuple[str, bytes]]:
    for policy_type, name, values in _all_policies():
        if name not in edition.absent:
            values = {**values, **edition.changed.get(name, {})}
            policy = _policy(policy_type, name, values, edition.number)
            yield f"{policy_type}/{name}.json", policy.encode()


def _broken_files() -> dict[str, bytes]:
    def imported(name: str) -> str:
        return _policy(_COMPLIANCE, f"Imported - {name}", {})

    cut_off = imported("Cut off")
    return {
        "imported/cut-off.json": cut_off[: len(cut_off) // 2].encode(),
        "imported/utf-16.json": imported("UTF-16").encode("utf-16"),
        "imported/bom.json": imported("BOM").encode("utf-8-sig"),
        "imported/twin.json": imported("Twin").encode(),
        "imported/twin (copy).json": imported("Twin").encode(),
    }


def _all_policies() -> Iterator[tuple[str, str, Body]]:
    for fleet in _FLEETS:
        for (policy_type, subject), values in _FLEET_POLICIES.items():
            yield policy_type, f"{fleet} - {subject}", values
    for ring, days in _RINGS.items():
        yield _UPDATES, f"Updates - {ring}", {"qualityUpdatesDeferralPeriodInDays": days}
        yield _DRIVERS, f"Drivers - {ring}", {"deploymentDeferralInDays": days}


def _policy(policy_type: str, name: str, values: Body, version: int = 1) -> str:
    policy: Body = {
        "@odata.type": f"#microsoft.graph.{policy_type}",
        "id": str(uuid5(_SEED, name)),
        "createdDateTime": "2026-01-12T08:00:00Z",
        # Version 2 has a new time in every policy, although most policies did not change.
        "lastModifiedDateTime": f"2026-0{version}-12T09:30:00Z",
        "roleScopeTagIds": ["0"],
    }
    if policy_type == _CATALOG:
        settings = [
            {"id": str(number), "settingInstance": instance}
            for number, instance in enumerate(_settings(values))
        ]
        policy |= {"name": name, "settingCount": len(settings), "settings": settings}
    else:
        policy |= {"displayName": name, "version": version, **values}
    return json.dumps(policy, indent=2)


def _settings(values: Mapping[str, object]) -> list[Body]:
    return [
        {"settingDefinitionId": f"demo_{key}", **_setting_value(value)}
        for key, value in sorted(values.items())
    ]


def _setting_value(value: object) -> Body:
    match value:
        case (str(choice), dict(children)):
            return {"choiceSettingValue": {"value": choice, "children": _settings(children)}}
        case list(members):
            return {"simpleSettingCollectionValue": [{"value": member} for member in members]}
        case _:
            return {"simpleSettingValue": {"value": value}}
