"""A tenant with an object of every kind, created through the API."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from domain.tenancy.roles import TenantRole
from opsrun.postgres.engines import Login
from opsrun.resources import Resources
from tests.acts import save_scopes, write_policy
from tests.client import WEBSOCKET, Client
from tests.gql.api import RunningApi, work
from tests.groups import store_groups
from tests.world import World

SCOPE = "servers"
BROKEN_SCOPE = "broken"

START = """mutation ($input: StartInventorySyncInput!) {
  startInventorySync(input: $input) {
    outcome run { id runType } userErrors { code message field }
  }
}"""
START_DRIFT = """mutation ($input: StartDriftGenerationInput!) {
  startDriftGeneration(input: $input) {
    outcome run { id runType } userErrors { code message field }
  }
}"""
CREATE_SET = """mutation ($input: CreateBackupSetInput!) {
  createBackupSet(input: $input) {
    backupSet { id name policyCount createdBy createdAt } userErrors { code message field }
  }
}"""
ADD_POLICIES = """mutation ($input: AddPoliciesToBackupSetInput!) {
  addPoliciesToBackupSet(input: $input) {
    outcome run { id runType } userErrors { code message field }
  }
}"""
START_OPERATION = """mutation ($input: StartOperationInput!) {
  startOperation(input: $input) {
    outcome run { id runType } userErrors { code message field }
  }
}"""
POLICIES = """query ($tenant: ID!, $scope: String!) {
  tenant(id: $tenant) { policies(scopeKey: $scope) { nodes { id name } } }
}"""
_EVERYTHING = """query (
  $tenant: ID!, $scope: String!, $drift: ID!, $broken: ID!, $backup: ID!
) {
  tenant(id: $tenant) {
    operationRuns { edges { cursor node { initiator { actorId } } } }
    policies(scopeKey: $scope) { edges { cursor node { id } } }
    driftFindings(runId: $drift) { edges { cursor node { id } } }
    backupSets { edges { cursor node { id } } }
    groups { edges { cursor node { id members { edges { cursor } } } } }
    notifications { edges { cursor node { id } } }
  }
  run: node(id: $broken) { ... on OperationRun {
    failures { edges { cursor } } skippedItems { edges { cursor } }
    events { edges { cursor } } } }
  set: node(id: $backup) { ... on BackupSet { policies { edges { cursor } } } }
}"""


@dataclass(frozen=True, slots=True)
class Furnished:
    """A tenant's ids by type, cursors by list, and the names of its objects."""

    world: World
    names: Sequence[str]
    ids: Mapping[str, str]
    cursors: Mapping[str, str]
    drift_run: str
    broken_run: str
    backup_run: str


async def sync(world: World, client: Client, scope: str = SCOPE) -> str:
    """Sync the scope and return the run's id."""
    await save_scopes(world, scope)
    answer = await client.data(START, input={"tenantId": world.global_id, "scopeKey": scope})
    return await _done(world, answer)


async def drift(world: World, client: Client, scope: str = SCOPE) -> str:
    """Generate drift and return the run's id."""
    answer = await client.data(START_DRIFT, input={"tenantId": world.global_id, "scopeKey": scope})
    return await _done(world, answer)


async def drifted(world: World, client: Client, mark: str = "", group: str = "soon") -> str:
    """Sync two versions of an export, generate drift, and return the drift run's id.

    Policy a is modified, b stays, c is removed and d is added. All names end with the mark. What a
    and c lose is the text `group`.
    """
    scope = SCOPE + mark
    for policy_id in "abc":
        write_policy(world, scope, policy_id + mark, minimum=10, **{"gone" + mark: group})
    await sync(world, client, scope)
    write_policy(world, scope, "a" + mark, minimum=12, fresh=True)
    (world.exports / scope / f"c{mark}.json").unlink()
    write_policy(world, scope, "d" + mark)
    await sync(world, client, scope)
    return await drift(world, client, scope)


async def policy_ids(world: World, client: Client, scope: str = SCOPE) -> dict[str, str]:
    """Return the ids of the scope's policies by name."""
    data = await client.data(POLICIES, tenant=world.global_id, scope=scope)
    return {node["name"]: node["id"] for node in data["tenant"]["policies"]["nodes"]}


async def backup_set(world: World, client: Client, name: str) -> str:
    """Create a backup set and return its id."""
    answer = await client.data(CREATE_SET, input={"tenantId": world.global_id, "name": name})
    created: str = answer["createBackupSet"]["backupSet"]["id"]
    return created


async def add_policies(world: World, client: Client, set_id: str, policies: list[str]) -> str:
    """Copy policies into a set and return the run's id."""
    input_ = {"backupSetId": set_id, "policyIds": policies}
    return await _done(world, await client.data(ADD_POLICIES, input=input_))


async def export_report(world: World, client: Client, mark: str = "") -> str:
    """Run the operation of the package in tests/package, and return the run's id."""
    chapters = [{"title": f"One{mark}", "words": 7}, {"title": f"Two{mark}", "words": 9}]
    context = {"report": f"weekly{mark}", "chapters": chapters}
    input_ = {"tenantId": world.global_id, "runType": "report.export", "context": context}
    return await _done(world, await client.data(START_OPERATION, input=input_))


def break_scope(world: World, broken: int, mark: str = "") -> None:
    """Create a scope with one valid policy and some that are not JSON."""
    write_policy(world, BROKEN_SCOPE + mark, "good" + mark)
    for number in range(broken):
        (world.exports / (BROKEN_SCOPE + mark) / f"{number}{mark}.json").write_text("{")


def ignore_file(world: World, scope: str, name: str) -> None:
    """Add a file that the tenant's ignore file excludes."""
    (world.exports / scope / name).write_text("{}")
    (world.exports / ".opsrunignore").write_text(f"{name}\n")


async def furnish(
    api: RunningApi, resources: dict[Login, Resources], folder: Path, *, marked: bool = False
) -> Furnished:
    """Create a tenant and use every feature in it, as its manager.

    If marked, all names in the tenant end with its slug.
    """
    world = await World.create(resources, folder)
    mark = world.slug if marked else ""
    client = api.member(world, TenantRole.MANAGER)
    group = str(uuid4())
    await store_groups(world, {group: (f"Pilots{mark}", {f"m-1{mark}": "USER"})})
    drift_run = await drifted(world, client, mark, group)
    await export_report(world, client, mark)
    break_scope(world, 5, mark)
    ignore_file(world, BROKEN_SCOPE + mark, f"side{mark}.json")
    broken_run = await sync(world, client, BROKEN_SCOPE + mark)
    set_id = await backup_set(world, client, "Everything" + mark)
    policies = await policy_ids(world, client, SCOPE + mark)
    backup_run = await add_policies(world, client, set_id, list(policies.values()))
    data = await client.data(
        _EVERYTHING,
        tenant=world.global_id,
        scope=SCOPE + mark,
        drift=drift_run,
        broken=broken_run,
        backup=set_id,
    )
    cursors = {
        "feed": await _feed_cursor(world, client),
        "failures": data["run"]["failures"]["edges"][0]["cursor"],
        "skipped": data["run"]["skippedItems"]["edges"][0]["cursor"],
        "events": data["run"]["events"]["edges"][0]["cursor"],
        "members": data["tenant"]["groups"]["edges"][0]["node"]["members"]["edges"][0]["cursor"],
        "copies": data["set"]["policies"]["edges"][0]["cursor"],
    }
    ids = {"Tenant": world.global_id, "OperationRun": drift_run}
    for field, type_name in (
        ("policies", "Policy"),
        ("driftFindings", "DriftFinding"),
        ("backupSets", "BackupSet"),
        ("groups", "Group"),
        ("notifications", "Notification"),
    ):
        edge = data["tenant"][field]["edges"][-1]
        ids[type_name], cursors[field] = edge["node"]["id"], edge["cursor"]
    run = data["tenant"]["operationRuns"]["edges"][0]
    ids["Initiator"], cursors["operationRuns"] = run["node"]["initiator"]["actorId"], run["cursor"]
    names = [SCOPE + mark, BROKEN_SCOPE + mark, "Everything" + mark, *policies]
    return Furnished(world, names, ids, cursors, drift_run, broken_run, backup_run)


async def _feed_cursor(world: World, client: Client) -> str:
    query = """subscription ($tenant: ID!) {
      operationRuns(tenantId: $tenant) { ... on FeedReset { cursor } } }"""
    async with client.subscribe(WEBSOCKET, query, {"tenant": world.global_id}) as stream:
        cursor: str = (await stream.next())["cursor"]
    return cursor


async def _done(world: World, answer: Mapping[str, Any]) -> str:
    (payload,) = answer.values()
    assert payload["userErrors"] == []
    assert payload["outcome"] == "CREATED"
    await work(world, payload["run"])
    run_id: str = payload["run"]["id"]
    return run_id
