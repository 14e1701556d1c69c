"""A run relates to drift reports, backup sets and snapshots."""

from typing import Any
from uuid import uuid4

from domain.backups.models import AddPolicies
from domain.drift.models import Comparison
from domain.tenancy.roles import TenantRole
from gql.ids import GlobalId
from tests.client import Client
from tests.gql.api import RunningApi
from tests.gql.furnished import BROKEN_SCOPE, SCOPE, Furnished
from tests.gql.runs.watching import queue
from tests.world import World

RELATED = """query ($ids: [ID!]!) { nodes(ids: $ids) { ... on OperationRun { id related {
  __typename
  ... on DriftReport {
    scopeKey baselineRunId currentRunId added removed modified
    baselineRun { id runType createdAt } currentRun { id runType createdAt }
    findings { nodes { kind policyId } }
  }
  ... on BackupSet { id name policyCount policies { nodes { policyId } } }
  ... on InventorySnapshot { scopeKey policyCount isWhole }
} } } }"""


async def related(client: Client, *runs: str) -> list[Any]:
    data = await client.data(RELATED, ids=runs)
    return [node["related"] for node in data["nodes"]]


def reader(api: RunningApi, tenant: World) -> Client:
    return api.member(tenant, TenantRole.READONLY)


async def test_a_drift_run_relates_to_its_findings(api: RunningApi, ours: Furnished) -> None:
    ((report,),) = await related(reader(api, ours.world), ours.drift_run)
    assert report["__typename"] == "DriftReport"
    assert report["scopeKey"] == SCOPE
    assert (report["added"], report["removed"], report["modified"]) == (1, 1, 1)
    assert [(f["policyId"], f["kind"]) for f in report["findings"]["nodes"]] == [
        ("a", "MODIFIED"),
        ("c", "REMOVED"),
        ("d", "ADDED"),
    ]
    runs = report["baselineRun"], report["currentRun"]
    assert [run["id"] for run in runs] == [report["baselineRunId"], report["currentRunId"]]
    assert {run["runType"] for run in runs} == {"inventory.sync"}
    assert runs[0]["createdAt"] < runs[1]["createdAt"]
    baseline, current = await related(
        reader(api, ours.world), report["baselineRunId"], report["currentRunId"]
    )
    assert [baseline[0]["policyCount"], current[0]["policyCount"]] == [3, 3]


async def test_a_backup_run_relates_to_its_set(api: RunningApi, ours: Furnished) -> None:
    ((set_,),) = await related(reader(api, ours.world), ours.backup_run)
    assert (set_["__typename"], set_["id"]) == ("BackupSet", ours.ids["BackupSet"])
    assert (set_["name"], set_["policyCount"]) == ("Everything", 3)
    assert [policy["policyId"] for policy in set_["policies"]["nodes"]] == ["a", "b", "d"]


async def test_a_sync_relates_to_its_snapshot_and_shows_whether_it_is_complete(
    api: RunningApi, ours: Furnished
) -> None:
    ((snapshot,),) = await related(reader(api, ours.world), ours.broken_run)
    assert snapshot == {
        "__typename": "InventorySnapshot",
        "scopeKey": BROKEN_SCOPE,
        "policyCount": 1,
        "isWhole": False,
    }
    ((drift,),) = await related(reader(api, ours.world), ours.drift_run)
    ((whole,),) = await related(reader(api, ours.world), drift["currentRunId"])
    assert whole["isWhole"]


async def test_a_run_without_results_relates_to_nothing(api: RunningApi, world: World) -> None:
    sync = await queue(world)
    access = await world.access()
    gone = await world.starter.start(
        access,
        resource="backup_set",
        action="add_policies",
        subject="s",
        context=AddPolicies(backup_set_id=uuid4(), policies=[("s", "a")]).context,
    )
    early = await world.starter.start(
        access,
        resource="drift",
        action="generate",
        subject="s",
        context=Comparison("s", uuid4(), uuid4()).context,
    )
    runs = [sync, *(run_id(world, started.run.id.hex) for started in (gone, early))]
    nothing, without_set, ((report,)) = await related(reader(api, world), *runs)
    assert nothing == without_set == []
    assert (report["added"], report["removed"], report["modified"]) == (0, 0, 0)


async def test_a_type_that_relates_to_nothing_has_an_empty_list(
    api: RunningApi, world: World
) -> None:
    run = await queue(world)
    await world.write(
        "UPDATE opsrun.operation_run SET action = 'count' WHERE tenant_id = :tenant_id"
    )
    assert await related(reader(api, world), run) == [[]]


def run_id(world: World, key: str) -> str:
    return GlobalId("OperationRun", world.tenant_id, key).encode()
