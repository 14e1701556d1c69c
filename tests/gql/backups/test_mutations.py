"""Backup sets are created and filled."""

from typing import Any
from uuid import uuid4

import pytest

from domain.tenancy.administration import save_member
from domain.tenancy.roles import TenantRole
from gql.ids import GlobalId
from opsrun.postgres.engines import Login
from tests.acts import write_policy
from tests.client import Client
from tests.gql.api import RunningApi, work
from tests.gql.furnished import (
    ADD_POLICIES,
    CREATE_SET,
    SCOPE,
    add_policies,
    backup_set,
    policy_ids,
    sync,
)
from tests.world import World

RUN = """query ($id: ID!) { node(id: $id) { ... on OperationRun {
  statusBucket subject counts { total succeeded failed skipped }
  failures { nodes { itemKey reasonCode message } }
  related { ... on BackupSet { policyCount policies { nodes { policyId name } } } } } } }"""


@pytest.fixture
def client(api: RunningApi, world: World) -> Client:
    return api.member(world, TenantRole.MANAGER)


async def create(client: Client, world: World, name: str) -> Any:
    data = await client.data(CREATE_SET, input={"tenantId": world.global_id, "name": name})
    return data["createBackupSet"]


async def add(client: Client, set_id: str, policies: list[str]) -> Any:
    data = await client.data(ADD_POLICIES, input={"backupSetId": set_id, "policyIds": policies})
    return data["addPoliciesToBackupSet"]


async def runs(world: World) -> int:
    rows = await world.rows(
        "SELECT 1 FROM opsrun.operation_run WHERE tenant_id = :tenant_id"
        " AND resource = 'backup_set'"
    )
    return len(rows)


def policy(world: World, key: str) -> str:
    return GlobalId("Policy", world.tenant_id, key).encode()


# Creating


async def test_a_new_set_is_empty_and_names_its_creator(world: World, client: Client) -> None:
    answer = await create(client, world, "  Before the change  ")
    assert answer["userErrors"] == []
    created = answer["backupSet"]
    assert (created["name"], created["policyCount"]) == ("Before the change", 0)
    assert created["createdBy"] == world.members[TenantRole.MANAGER].name
    assert created["createdAt"].endswith("Z")


async def test_a_name_is_unique_in_a_tenant(world: World, client: Client) -> None:
    other = await World.create(world.resources, world.exports)
    await create(client, world, "Weekly")
    answer = await create(client, world, " Weekly ")
    assert answer["backupSet"] is None
    (error,) = answer["userErrors"]
    assert (error["code"], error["field"]) == ("NAME_TAKEN", ["input", "name"])
    transactions = world.resources[Login.MAINTENANCE].transactions
    await save_member(
        transactions, other.slug, world.members[TenantRole.MANAGER], TenantRole.MANAGER
    )
    assert (await create(client, other, "Weekly"))["userErrors"] == []


async def test_a_name_with_control_characters_is_a_user_error(world: World, client: Client) -> None:
    for name in ("", "   ", "x" * 101, "a\x00", "a\nb", "\u202e", "x" * 10_000):
        answer = await create(client, world, name)
        assert answer["backupSet"] is None
        (error,) = answer["userErrors"]
        assert (error["code"], error["field"]) == ("INVALID_NAME", ["input", "name"])


# Filling


async def test_present_policies_are_skipped_and_unknown_ones_fail(
    world: World, client: Client
) -> None:
    for policy_id in "abc":
        write_policy(world, SCOPE, policy_id)
    await sync(world, client)
    known = await policy_ids(world, client)
    set_id = await backup_set(world, client, "Weekly")
    await add_policies(world, client, set_id, [known["Policy a"]])
    policies = [
        known["Policy a"],
        known["Policy b"],
        known["Policy b"],
        policy(world, f"{SCOPE}/x"),
    ]
    run_id = await add_policies(world, client, set_id, policies)
    run = (await client.data(RUN, id=run_id))["node"]
    assert (run["statusBucket"], run["subject"]) == ("PARTIALLY_SUCCEEDED", "Weekly")
    assert run["counts"] == {"total": 3, "succeeded": 1, "failed": 1, "skipped": 1}
    (failure,) = run["failures"]["nodes"]
    assert (failure["itemKey"], failure["reasonCode"]) == (f"{SCOPE}/x", "POLICY_NOT_FOUND")
    (copies,) = run["related"]
    assert copies["policyCount"] == 2
    assert [copy["policyId"] for copy in copies["policies"]["nodes"]] == ["a", "b"]


async def test_copies_do_not_change(world: World, client: Client) -> None:
    write_policy(world, SCOPE, "a")
    await sync(world, client)
    set_id = await backup_set(world, client, "Weekly")
    run_id = await add_policies(world, client, set_id, [policy(world, f"{SCOPE}/a")])
    write_policy(world, SCOPE, "a", displayName="Another name")
    await sync(world, client)
    (copies,) = (await client.data(RUN, id=run_id))["node"]["related"]
    assert copies["policies"]["nodes"] == [{"policyId": "a", "name": "Policy a"}]


async def test_the_same_policies_in_any_order_return_the_active_run(
    world: World, client: Client
) -> None:
    set_id = await backup_set(world, client, "Weekly")
    one, two = policy(world, "s/1"), policy(world, "s/2")
    first = await add(client, set_id, [one, two])
    again = await add(client, set_id, [two, one, two])
    other = await add(client, set_id, [two])
    assert [first["outcome"], again["outcome"], other["outcome"]] == [
        "CREATED",
        "REUSED_ACTIVE",
        "CREATED",
    ]
    assert again["run"] == first["run"] != other["run"]


async def test_a_policy_that_cannot_be_added_is_a_user_error(world: World, client: Client) -> None:
    set_id = await backup_set(world, client, "Weekly")
    unknown = GlobalId("BackupSet", world.tenant_id, uuid4().hex).encode()
    one, many = policy(world, "s/1"), [policy(world, f"s/{n}") for n in range(1001)]
    for arguments, code, field in (
        ((set_id, []), "NO_POLICIES", "policyIds"),
        ((set_id, many), "TOO_MANY_POLICIES", "policyIds"),
        ((unknown, [one]), "BACKUP_SET_NOT_FOUND", "backupSetId"),
    ):
        answer = await add(client, *arguments)
        assert (answer["run"], answer["outcome"]) == (None, None)
        (error,) = answer["userErrors"]
        assert (error["code"], error["field"]) == (code, ["input", field])
    assert await runs(world) == 0
    assert (await add(client, set_id, many[:1000]))["outcome"] == "CREATED"


async def test_an_unknown_policy_id_starts_nothing(world: World, client: Client) -> None:
    set_id = await backup_set(world, client, "Weekly")
    short, long = ("", "/", "s", "s/", "/p"), ("s/" + "p" * 201, "x" * 101 + "/p")
    for key in (*short, *long, "../p", "💥/p", "s\n/p"):
        input_ = {"backupSetId": set_id, "policyIds": [policy(world, key)]}
        assert (await client.ask(ADD_POLICIES, {"input": input_})).code == "BAD_USER_INPUT"
    assert await runs(world) == 0


async def test_the_longest_ids_can_be_added(world: World, client: Client) -> None:
    set_id = await backup_set(world, client, "Weekly")
    keys = [f"{'ф' * 100}/{''.join(chr(0x4E00 + n * 7 + i) for i in range(200))}" for n in range(3)]
    answer = await add(client, set_id, [policy(world, key) for key in keys])
    await work(world, answer["run"])
    run = (await client.data(RUN, id=answer["run"]["id"]))["node"]
    assert {node["reasonCode"] for node in run["failures"]["nodes"]} == {"POLICY_NOT_FOUND"}


async def test_ids_of_other_types_are_bad_input(world: World, client: Client) -> None:
    set_id = await backup_set(world, client, "Weekly")
    one = policy(world, "s/1")
    for backup, policies in (
        (world.global_id, [one]),
        (one, [one]),
        (set_id, [set_id]),
        (set_id, [one, world.global_id]),
    ):
        input_ = {"backupSetId": backup, "policyIds": policies}
        assert (await client.ask(ADD_POLICIES, {"input": input_})).code == "BAD_USER_INPUT"
    assert await runs(world) == 0


async def test_a_set_accepts_policies_of_its_tenant_only(world: World, client: Client) -> None:
    other = await World.create(world.resources, world.exports)
    transactions = world.resources[Login.MAINTENANCE].transactions
    await save_member(transactions, other.slug, world.members[TenantRole.MANAGER], TenantRole.OWNER)
    set_id = await backup_set(world, client, "Weekly")
    input_ = {"backupSetId": set_id, "policyIds": [policy(world, "s/1"), policy(other, "s/1")]}
    answer = await client.ask(ADD_POLICIES, {"input": input_})
    assert answer.code == "BAD_USER_INPUT"
    assert "another tenant" in answer.body["errors"][0]["message"]
    assert await runs(world) == 0
