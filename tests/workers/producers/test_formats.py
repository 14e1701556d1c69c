"""Exports of every format are synced and compared as a tenant does."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml  # type: ignore[import-untyped]

from domain.drift.models import ChangeKind, DriftKind
from domain.inventory.models import PolicyFormat
from domain.inventory.policies import parse_policy
from domain.inventory.repository.policies import format_counts
from domain.lifecycle import StatusBucket
from domain.runs.failures import FailureReason
from domain.runs.models import OperationRun, RunCounts
from tests.acts import drift, export, sync
from tests.ledger import failures, findings, policies, skipped
from tests.world import World

REAL = Path(__file__).parents[4] / "shared" / "data" / "policy-exports"
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


def put(world: World, file: str, text: str) -> Path:
    path = world.exports / "prod" / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


async def succeeded(world: World) -> OperationRun:
    run = await sync(world)
    assert (run.status_bucket, run.counts.failed) == (StatusBucket.SUCCEEDED, 0)
    return run


async def formats(world: World, run: OperationRun) -> dict[PolicyFormat, int]:
    counts = await world.read(format_counts, await world.access(), [run.id])
    return dict(counts[run.id])


@pytest.mark.parametrize("example", CASES, ids=lambda example: f"{example.format}-{example.file}")
async def test_one_changed_setting_is_the_only_change_even_in_a_renamed_file(
    world: World, example: Case
) -> None:
    before = put(world, example.file, example.before)
    await succeeded(world)
    [policy] = await policies(world)
    before.unlink()
    put(world, f"{Path(example.file).parent}/renamed{before.suffix}", example.after)
    run = await succeeded(world)
    assert await formats(world, run) == {example.format: 1}
    assert [listed.policy_id for listed in await policies(world)] == [policy.policy_id]
    by_policy = await findings(world, await drift(world))
    assert {
        key: [(finding.kind, change.path, change.change) for change in finding.changes]
        for key, finding in by_policy.items()
    } == {policy.policy_id: [(DriftKind.MODIFIED, example.path, example.kind)]}


async def test_a_mixed_folder_is_synced_and_says_its_formats(world: World) -> None:
    chosen = {example.format: example for example in CASES}
    for number, example in enumerate(chosen.values()):
        put(world, f"{number}/{example.file}", example.before)
    for file, text in {
        "Assignment Report/report.yaml": to_yaml([{"groupName": "g", "assignedTo": {}}]),
        "Autopilot Devices/device.json": "{}",
        "Activation Lock Bypass Codes/codes.json": '{"activationLockBypassCode": "secret"}',
        "__archive__/old.json": "{",
        "azure-pipelines.yml": "pool: {}",
        "MigrationTable.json": "{}",
        "auth.json": '{"params": {"CLIENT_SECRET": "secret"}}',
        "Partner Connections/Compliance/partner.yaml": "displayName: Partner",
    }.items():
        put(world, file, text)
    run = await succeeded(world)
    assert run.counts == RunCounts(total=13, succeeded=5, failed=0, skipped=8)
    assert await formats(world, run) == dict.fromkeys(PolicyFormat, 1)
    reasons = await skipped(world, run)
    assert all(reason and reason.startswith("Ignored by default: ") for reason in reasons.values())
    assert reasons["Assignment Report"] == "Ignored by default: Assignment Report/"
    assert not [reason for reason in reasons.values() if reason and "secret" in reason]


async def test_documents_with_the_same_derived_identity_all_fail(world: World) -> None:
    twins = {
        "Settings Catalog/Screen lock_mdm.json": json.dumps(CATALOG),
        "Settings Catalog/Screen lock_mdm.yaml": to_yaml({**CATALOG, "description": "Another"}),
    }
    for file, text in twins.items():
        put(world, file, text)
    put(world, "other.json", json.dumps({**CATALOG, "platforms": "macOS"}))
    run = await sync(world)
    assert run.counts == RunCounts(total=3, succeeded=1, failed=2, skipped=0)
    by_file = await failures(world, run)
    assert {key: failure.reason for key, failure in by_file.items()} == dict.fromkeys(
        twins, FailureReason.DUPLICATE_ID
    )
    for file, other in zip(twins, reversed(twins), strict=True):
        assert other in by_file[file].message


async def test_a_hostile_yaml_file_is_one_failed_item(world: World) -> None:
    bomb = "\n".join(
        f"l{level}: &l{level} [{', '.join([member] * 10)}]"
        for level, member in enumerate(["x", *(f"*l{level}" for level in range(20))])
    )
    put(world, "bomb.yaml", bomb)
    put(world, "code.yaml", "!!python/object/apply:os.system ['touch /tmp/never']")
    put(world, "deep.yml", "- " * 1000 + "x")
    put(world, "good.yaml", to_yaml(CATALOG))
    run = await sync(world)
    assert run.counts == RunCounts(total=4, succeeded=1, failed=3, skipped=0)
    assert {key: failure.reason for key, failure in (await failures(world, run)).items()} == {
        "bomb.yaml": FailureReason.FILE_TOO_LARGE,
        "code.yaml": FailureReason.INVALID_YAML,
        "deep.yml": FailureReason.INVALID_POLICY,
    }


async def test_a_yaml_export_without_some_of_its_settings_is_incomplete(world: World) -> None:
    put(world, "cut.yaml", to_yaml({**CATALOG, "settings": CATALOG["settings"][:1]}))  # type: ignore[index]
    [failure] = (await failures(world, await sync(world))).values()
    assert failure.reason == FailureReason.INCOMPLETE_POLICY
    assert "1 of 2 settings" in failure.message


@pytest.mark.skipif(not REAL.is_dir(), reason="the real exports are not here")
async def test_real_exports_have_the_known_drift_in_yaml_and_without_ids(world: World) -> None:
    # What IntuneCD removes.
    removed = ("id", "version", "createdDateTime", "lastModifiedDateTime", "@odata.context")
    for release in ("3.4", "3.5"):
        export(world)
        for number, file in enumerate(sorted((REAL / f"windows-v{release}").rglob("*.json"))):
            body = parse_policy(file.read_bytes())
            kept = {key: value for key, value in body.items() if key not in removed}
            put(world, f"{number:02}.yaml", to_yaml(kept))
        run = await succeeded(world)
        assert await formats(world, run) == {CD_YAML: run.counts.total}
    assert run.counts.total == 65
    by_policy = await findings(world, await drift(world))
    kinds = [finding.kind for finding in by_policy.values()]
    # By id, 2 are new, 1 is gone and 5 have changed. Those 5 were renamed as well, so without an id
    # they are other policies.
    assert (kinds.count(DriftKind.ADDED), kinds.count(DriftKind.REMOVED)) == (2 + 5, 1 + 5)
    assert len(kinds) == 13
