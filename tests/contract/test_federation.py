"""Opsrun composes with another subgraph, and gateways resolve fields of both."""

import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from domain.runs.models import OperationRun
from gql.ids import GlobalId
from tests.acts import save_scopes
from tests.contract.npm_clients import Scenario, program
from tests.contract.test_http_clients import host
from tests.gql.api import RunningApi
from tests.gql.conftest import Serving, serving
from tests.nodejs import needs_node
from tests.world import World

__all__ = ["serving"]

pytestmark = needs_node

# One has Apollo's query planner, the other one that of Hive Gateway.
TOOLS = ("apollo", "guild")
RUNS = """query ($tenant: ID!) { tenant(id: $tenant) {
  operationRuns { nodes { id runType cost } pageInfo { hasNextPage } } } }"""
INVOICES = """query ($ids: [ID!]!) { invoices(ids: $ids) {
  nodes { id due run { id runType statusBucket cost tenant { slug } } }
  pageInfo { hasNextPage } } }"""
NODE = (
    """query ($id: ID!) { node(id: $id) { __typename id ... on OperationRun { runType cost } } }"""
)
FEED = """subscription ($tenant: ID!) { operationRuns(tenantId: $tenant) {
  __typename ... on FeedReset { runs { id cost } }
  ... on OperationRunChanged { run { id runType cost } } } }"""
START = """mutation ($tenant: ID!, $scope: String!) {
  startInventorySync(input: {tenantId: $tenant, scopeKey: $scope}) {
    outcome run { id runType cost } } }"""


def scenario(
    tools: Path, api: RunningApi, world: World, *arguments: str
) -> AbstractAsyncContextManager[Scenario]:
    """Run a scenario as the tenant's operator."""
    node = ("node", "federation/supergraph.js", *arguments)
    return program(tools, f"http://{host(api)}/graphql", world.token(), *node)


async def report(tools: Path, api: RunningApi, world: World, *arguments: str) -> Any:
    """Run a scenario and return its only report."""
    async with scenario(tools, api, world, *arguments) as running:
        return await running.facts()


@pytest.fixture(scope="session")
async def subgraph(serving: Serving) -> AsyncIterator[RunningApi]:
    """The API as a subgraph, with the default limits."""
    async with serving(federation=True) as running:
        yield running


@pytest.fixture
async def run(world: World) -> OperationRun:
    """A run of our tenant."""
    return (await world.start()).run


def id_of(run: OperationRun) -> str:
    return GlobalId("OperationRun", run.tenant_id, run.id.hex).encode()


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("name", ["billing", "extending"])
async def test_it_composes_without_errors_or_hints(
    tools: Path, subgraph: RunningApi, world: World, tool: str, name: str
) -> None:
    composed = await report(tools, subgraph, world, "composing", tool, name)
    assert composed == {"errors": [], "hints": []}


@pytest.mark.parametrize("tool", TOOLS)
async def test_a_gateway_adds_the_field_of_another_subgraph_to_runs(
    tools: Path, subgraph: RunningApi, world: World, run: OperationRun, tool: str
) -> None:
    variables = json.dumps({"tenant": world.global_id, "id": id_of(run)})
    seen = await report(tools, subgraph, world, "asking", tool, RUNS, variables)
    node = {"id": id_of(run), "runType": run.run_type, "cost": len(id_of(run))}
    runs = {"nodes": [node], "pageInfo": {"hasNextPage": False}}
    assert seen == {"data": {"tenant": {"operationRuns": runs}}, "errors": []}
    seen = await report(tools, subgraph, world, "asking", tool, NODE, variables)
    assert seen == {"data": {"node": {"__typename": "OperationRun", **node}}, "errors": []}


@pytest.mark.parametrize("tool", TOOLS)
async def test_a_gateway_resolves_the_runs_that_another_subgraph_refers_to(
    tools: Path, subgraph: RunningApi, world: World, run: OperationRun, tool: str
) -> None:
    unknown = GlobalId("OperationRun", world.tenant_id, uuid4().hex).encode()
    foreign = GlobalId("OperationRun", uuid4(), uuid4().hex).encode()
    ids = [id_of(run), unknown, foreign, "garbage"]
    variables = json.dumps({"ids": ids})
    seen = await report(tools, subgraph, world, "asking", tool, INVOICES, variables)
    invoices = seen["data"]["invoices"]["nodes"]
    assert [invoice["id"] for invoice in invoices] == ids
    assert invoices[0]["run"] == {
        "id": id_of(run),
        "runType": run.run_type,
        "statusBucket": "QUEUED",
        "cost": len(id_of(run)),
        "tenant": {"slug": world.slug},
    }
    assert [invoice["run"] for invoice in invoices[1:]] == [None] * 3
    codes = [error["code"] for error in seen["errors"]]
    assert (codes.count("FORBIDDEN"), codes.count("BAD_USER_INPUT")) == (1, 1)


@pytest.mark.parametrize("tool", TOOLS)
async def test_a_mutation_through_a_gateway_returns_the_field_of_another_subgraph(
    tools: Path, subgraph: RunningApi, world: World, tool: str
) -> None:
    await save_scopes(world, "servers")
    variables = json.dumps({"tenant": world.global_id, "scope": "servers"})
    seen = await report(tools, subgraph, world, "asking", tool, START, variables)
    assert seen["errors"] == []
    started = seen["data"]["startInventorySync"]
    assert started["outcome"] == "CREATED"
    assert started["run"] == {
        "id": started["run"]["id"],
        "runType": "inventory.sync",
        "cost": len(started["run"]["id"]),
    }


async def test_a_gateway_adds_the_field_of_another_subgraph_to_events(
    tools: Path, subgraph: RunningApi, world: World, run: OperationRun
) -> None:
    variables = json.dumps({"tenant": world.global_id})
    async with scenario(tools, subgraph, world, "watching", FEED, variables) as running:
        first = {"id": id_of(run), "cost": len(id_of(run))}
        assert await running.facts() == {"__typename": "FeedReset", "runs": [first]}
        started = (await world.start()).run
        second = {"id": id_of(started), "runType": started.run_type, "cost": len(id_of(started))}
        assert await running.facts() == {"__typename": "OperationRunChanged", "run": second}
