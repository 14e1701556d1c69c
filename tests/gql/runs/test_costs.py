"""A page of runs takes the same number of statements, however many runs it has."""

from pathlib import Path
from uuid import uuid4

import pytest

from domain.backups.models import AddPolicies
from domain.drift.models import Comparison
from domain.tenancy.roles import TenantRole
from gql.ids import GlobalId
from opsrun.postgres.engines import Login
from opsrun.resources import Resources
from tests.gql.api import RunningApi
from tests.gql.furnished import furnish
from tests.gql.runs.watching import claim, fail
from tests.world import World

WHOLE_PAGE = """query ($tenant: ID!, $first: Int, $filter: OperationRunFilter) {
  tenant(id: $tenant) {
    operationRuns(first: $first, filter: $filter) {
      nodes {
        id runType statusBucket statusExplanation progress url context
        initiator { name } counts { total processed }
        failureCount failures(first: 3) { nodes { itemKey reasonCode message } }
        failureGroups { reasonCode count }
        events(first: 3) { nodes { kind version } }
        tenant { name viewerRole }
        related {
          __typename
          ... on DriftReport { added findings(first: 3) { nodes { policyName } } }
          ... on BackupSet { name policyCount policies(first: 3) { nodes { name } } }
          ... on InventorySnapshot { policyCount }
          ... on GroupDirectory { groupCount }
        }
      }
      pageInfo { hasNextPage }
    }
  }
}"""


@pytest.fixture(scope="module")
async def busy(
    api: RunningApi, resources: dict[Login, Resources], tmp_path_factory: pytest.TempPathFactory
) -> World:
    """A tenant with a full page of runs of every type, each with a failure."""
    folder: Path = tmp_path_factory.mktemp("busy")
    world = (await furnish(api, resources, folder)).world
    access = await world.access(TenantRole.MANAGER)
    ((set_id,),) = await world.rows("SELECT id FROM opsrun.backup_set WHERE tenant_id = :tenant_id")
    for number in range(51):
        for resource, action, context in (
            ("inventory", "sync", {"scopeKey": f"scope {number}"}),
            ("group", "sync", {"number": number}),
            ("drift", "generate", Comparison("servers", uuid4(), uuid4()).context),
            (
                "backup_set",
                "add_policies",
                AddPolicies(backup_set_id=set_id, policies=[("s", str(number))]).context,
            ),
        ):
            started = await world.starter.start(
                access, resource=resource, action=action, subject="s", context=context
            )
            if number < 2:
                id_ = GlobalId("OperationRun", world.tenant_id, started.run.id.hex).encode()
                await fail(await claim(world, id_), "a", "b", "c", "d")
    return world


@pytest.mark.parametrize(
    "run_type", ["inventory.sync", "group.sync", "drift.generate", "backup_set.add_policies", None]
)
async def test_a_page_takes_the_same_number_of_statements_at_any_size(
    api: RunningApi, busy: World, run_type: str | None
) -> None:
    client = api.member(busy)
    filter_ = {"runTypes": [run_type]} if run_type else {}
    costs = {}
    for first in (1, 2, 50) if run_type else (50, 100):
        with api.statements() as statements:
            data = await client.data(WHOLE_PAGE, tenant=busy.global_id, first=first, filter=filter_)
        runs = data["tenant"]["operationRuns"]
        assert len(runs["nodes"]) == first
        assert runs["pageInfo"]["hasNextPage"]
        costs[first] = len(statements)
    print(f"{run_type or 'all types'}: SQL statements by page size: {costs}")  # noqa: T201
    assert len(set(costs.values())) == 1
    assert max(costs.values()) <= 25
