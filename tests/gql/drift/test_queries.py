"""The findings of a drift run."""

from typing import Any
from uuid import uuid4

import pytest

from domain.tenancy.administration import save_member
from domain.tenancy.roles import TenantRole
from gql.ids import GlobalId
from opsrun.postgres.engines import Login
from tests.acts import write_policy
from tests.client import Client
from tests.gql.api import RunningApi
from tests.gql.furnished import Furnished, drift, sync
from tests.world import World

FINDINGS = """query ($tenant: ID!, $run: ID!, $kinds: [DriftKind!], $first: Int, $after: String) {
  tenant(id: $tenant) { driftFindings(runId: $run, kinds: $kinds, first: $first, after: $after) {
    nodes { id kind scopeKey policyId policyName policyType foundAt
      changes { path kind old new isSecret } }
    pageInfo { hasNextPage hasPreviousPage endCursor }
  } }
}"""


@pytest.fixture
def client(api: RunningApi, ours: Furnished) -> Client:
    return api.member(ours.world, TenantRole.READONLY)


async def findings(
    client: Client, tenant: Furnished, run: str | None = None, **variables: Any
) -> Any:
    variables = {"tenant": tenant.ids["Tenant"], "run": run or tenant.drift_run, **variables}
    return (await client.data(FINDINGS, **variables))["tenant"]["driftFindings"]


async def test_findings_show_the_change_of_each_policy(client: Client, ours: Furnished) -> None:
    nodes = (await findings(client, ours))["nodes"]
    assert [(n["policyId"], n["policyName"], n["kind"]) for n in nodes] == [
        ("a", "Policy a", "MODIFIED"),
        ("c", "Policy c", "REMOVED"),
        ("d", "Policy d", "ADDED"),
    ]
    assert {(n["scopeKey"], n["policyType"]) for n in nodes} == {
        ("servers", "windows10CompliancePolicy")
    }


async def test_a_modified_policy_shows_each_setting_with_both_values(
    client: Client, ours: Furnished
) -> None:
    group = GlobalId.decode(ours.ids["Group"]).key
    modified, *others = (await findings(client, ours))["nodes"]
    assert sorted(modified["changes"], key=lambda change: change["path"]) == [
        {"path": "fresh", "kind": "ADDED", "old": None, "new": True, "isSecret": False},
        {"path": "gone", "kind": "REMOVED", "old": group, "new": None, "isSecret": False},
        {"path": "minimum", "kind": "CHANGED", "old": 10, "new": 12, "isSecret": False},
    ]
    removed, added = (finding["changes"] for finding in others)
    assert [(change["path"], change["kind"], change["old"]) for change in removed] == [
        ("displayName", "REMOVED", "Policy c"),
        ("gone", "REMOVED", group),
        ("id", "REMOVED", "c"),
        ("minimum", "REMOVED", 10),
    ]
    assert [(change["path"], change["kind"], change["new"]) for change in added] == [
        ("displayName", "ADDED", "Policy d"),
        ("id", "ADDED", "d"),
    ]


async def test_a_secret_setting_is_named_but_its_value_is_hidden_from_every_role(
    api: RunningApi, world: World
) -> None:
    owner, scope = api.member(world, TenantRole.OWNER), "wifi"
    for secret in ("first-wifi-key", "second-wifi-key"):
        write_policy(world, scope, "a", ssid="office", preSharedKey=secret)
        await sync(world, owner, scope)
    run = await drift(world, owner, scope)
    for role in TenantRole:
        variables = {"tenant": world.global_id, "run": run}
        answer = await api.member(world, role).ask(FINDINGS, variables)
        (finding,) = answer.body["data"]["tenant"]["driftFindings"]["nodes"]
        assert finding["changes"] == [
            {
                "path": "preSharedKey",
                "kind": "CHANGED",
                "old": None,
                "new": None,
                "isSecret": True,
            }
        ]


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (["ADDED"], "d"),
        (["REMOVED", "MODIFIED"], "ac"),
        ([], "acd"),
        (None, "acd"),
    ],
)
async def test_findings_can_be_filtered_by_kind(
    client: Client, ours: Furnished, kinds: list[str] | None, expected: str
) -> None:
    nodes = (await findings(client, ours, kinds=kinds))["nodes"]
    assert "".join(node["policyId"] for node in nodes) == expected


async def test_findings_come_in_pages(client: Client, ours: Furnished) -> None:
    first = await findings(client, ours, first=2)
    rest = await findings(client, ours, first=2, after=first["pageInfo"]["endCursor"])
    assert [node["policyId"] for node in first["nodes"] + rest["nodes"]] == ["a", "c", "d"]
    assert first["pageInfo"]["hasNextPage"]
    assert (rest["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasPreviousPage"]) == (False, True)


async def test_an_unknown_run_has_no_findings(client: Client, ours: Furnished) -> None:
    unknown = GlobalId("OperationRun", ours.world.tenant_id, uuid4().hex).encode()
    assert (await findings(client, ours, unknown))["nodes"] == []


async def test_only_a_drift_run_has_findings(client: Client, ours: Furnished) -> None:
    for id_ in (ours.broken_run, ours.ids["Policy"], ours.ids["Tenant"]):
        variables = {"tenant": ours.ids["Tenant"], "run": id_}
        assert (await client.ask(FINDINGS, variables)).code == "BAD_USER_INPUT"


async def test_a_run_is_read_only_in_its_tenant(
    api: RunningApi, world: World, client: Client, ours: Furnished
) -> None:
    transactions = world.resources[Login.MAINTENANCE].transactions
    both = world.members[TenantRole.OPERATOR]
    await save_member(transactions, ours.world.slug, both, TenantRole.READONLY)
    variables = {"tenant": world.global_id, "run": ours.drift_run}
    answer = await api.member(world).ask(FINDINGS, variables)
    assert answer.code == "BAD_USER_INPUT"
    assert "another tenant" in answer.body["errors"][0]["message"]


@pytest.mark.parametrize(("first", "code"), [(101, "LIMIT_EXCEEDED"), (-1, "BAD_USER_INPUT")])
async def test_a_page_is_bounded(client: Client, ours: Furnished, first: int, code: str) -> None:
    variables = {"tenant": ours.ids["Tenant"], "run": ours.drift_run, "first": first}
    assert (await client.ask(FINDINGS, variables)).code == code
