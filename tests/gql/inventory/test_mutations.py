"""A sync starts one run per scope, or returns user errors."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from domain.tenancy.roles import TenantRole
from opsrun.settings import Settings
from tests.acts import queue_runs, save_scopes, write_policy
from tests.client import Client
from tests.gql.api import RunningApi, work
from tests.gql.furnished import START
from tests.world import World

RUN = """query ($id: ID!) { node(id: $id) { ... on OperationRun {
  statusBucket context counts { total succeeded } failures { nodes { itemKey reasonCode } } } } }"""


@pytest.fixture
async def client(api: RunningApi, world: World) -> Client:
    await save_scopes(world, "servers", "laptops")
    return api.member(world)


async def start(client: Client, world: World, scope: str) -> Any:
    data = await client.data(START, input={"tenantId": world.global_id, "scopeKey": scope})
    return data["startInventorySync"]


async def runs(world: World) -> int:
    rows = await world.rows("SELECT 1 FROM opsrun.operation_run WHERE tenant_id = :tenant_id")
    return len(rows)


async def test_a_start_returns_at_once_with_a_queued_run(world: World, client: Client) -> None:
    write_policy(world, "servers", "a")
    answer = await start(client, world, "servers")
    assert (answer["outcome"], answer["userErrors"]) == ("CREATED", [])
    run = (await client.data(RUN, id=answer["run"]["id"]))["node"]
    assert (run["statusBucket"], run["context"]) == ("QUEUED", {"scopeKey": "servers"})
    await work(world, answer["run"])
    run = (await client.data(RUN, id=answer["run"]["id"]))["node"]
    assert (run["statusBucket"], run["counts"]) == ("SUCCEEDED", {"total": 1, "succeeded": 1})


async def test_a_start_of_the_same_work_returns_the_active_run_until_it_ends(
    api: RunningApi, world: World, client: Client
) -> None:
    first = await start(client, world, "servers")
    other = await start(client, world, "laptops")
    again = await start(api.member(world, TenantRole.OWNER), world, "servers")
    assert [first["outcome"], other["outcome"], again["outcome"]] == [
        "CREATED",
        "CREATED",
        "REUSED_ACTIVE",
    ]
    assert again["run"] == first["run"] != other["run"]
    await work(world, first["run"])
    later = await start(client, world, "servers")
    assert later["outcome"] == "CREATED"
    assert later["run"] != first["run"]


async def test_fifty_concurrent_starts_create_one_run(world: World, client: Client) -> None:
    answers = await asyncio.gather(*(start(client, world, "servers") for _ in range(50)))
    assert Counter(answer["outcome"] for answer in answers) == {"CREATED": 1, "REUSED_ACTIVE": 49}
    assert len({answer["run"]["id"] for answer in answers}) == 1
    assert await runs(world) == 1


async def test_a_tenant_with_a_full_queue_must_wait(world: World, client: Client) -> None:
    active = await start(client, world, "servers")
    most = Settings.model_fields["tenant_max_active_runs"].default
    await queue_runs(world, most - 1)
    answer = await start(client, world, "laptops")
    assert (answer["run"], answer["outcome"]) == (None, None)
    (error,) = answer["userErrors"]
    assert (error["code"], error["field"]) == ("TOO_MANY_ACTIVE_RUNS", ["input"])
    assert await runs(world) == most
    assert (await start(client, world, "servers"))["run"] == active["run"]


async def test_a_key_without_a_scope_is_a_user_error(world: World, client: Client) -> None:
    dotted, spaced = ("", ".", "..", ".hidden"), (" a", "a ", "a\nb")
    for scope in (*dotted, *spaced, "a/b", "a\\b", "x" * 101, "a\x00", "💥"):
        answer = await start(client, world, scope)
        assert (answer["run"], answer["outcome"]) == (None, None)
        (error,) = answer["userErrors"]
        assert (error["code"], error["field"]) == ("INVALID_SCOPE_KEY", ["input", "scopeKey"])
        assert error["message"]
    assert await runs(world) == 0


async def test_a_scope_that_is_not_known_is_a_user_error(world: World, client: Client) -> None:
    answer = await start(client, world, "nowhere")
    assert (answer["run"], answer["outcome"]) == (None, None)
    (error,) = answer["userErrors"]
    assert (error["code"], error["field"]) == ("UNKNOWN_SCOPE", ["input", "scopeKey"])
    assert error["message"].startswith("Unknown scope 'nowhere'.")
    assert await runs(world) == 0


async def test_the_run_reports_that_its_scope_is_gone(world: World, client: Client) -> None:
    answer = await start(client, world, "servers")
    await work(world, answer["run"])
    run = (await client.data(RUN, id=answer["run"]["id"]))["node"]
    assert run["statusBucket"] == "FAILED"
    assert run["failures"]["nodes"] == [{"itemKey": None, "reasonCode": "SCOPE_NOT_FOUND"}]


async def test_only_a_tenants_id_names_the_tenant(world: World, client: Client) -> None:
    answer = await start(client, world, "servers")
    input_ = {"tenantId": answer["run"]["id"], "scopeKey": "servers"}
    assert (await client.ask(START, {"input": input_})).code == "BAD_USER_INPUT"
