"""Tenants that are read from the double of Microsoft Graph."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from domain.tenancy.administration import save_tenant
from domain.tenancy.providers import GraphScopes
from opsrun.postgres.engines import Login
from tests.graph import Double, graph_double
from tests.workers.providers.graph.reading import settings_for
from tests.world import World
from workers.providers.graph import retries
from workers.providers.graph.clouds import Endpoints
from workers.providers.graph.connections import GRAPH


@asynccontextmanager
async def graph_as_provider(double: Double) -> AsyncIterator[None]:
    """Let the worker of this process read the double instead of Microsoft's Graph."""
    before = {**vars(GRAPH)}
    vars(GRAPH).clear()
    GRAPH.configure(Endpoints(double.authority, double.url), double.ca_file)
    try:
        yield
    finally:
        await GRAPH.aclose()
        vars(GRAPH).clear()
        vars(GRAPH).update(before)


@asynccontextmanager
async def emulated(
    monkeypatch: pytest.MonkeyPatch,
    policies: Mapping[str, Iterable[dict[str, Any]]] | None = None,
    **options: Any,
) -> AsyncIterator[Double]:
    """Run a double that providers read instead of Microsoft Graph."""
    async with graph_double(policies=policies, **options) as double:
        # Short waits; `Retry-After` is at most half a second.
        monkeypatch.setattr(retries, "_FIRST", 0.01)
        monkeypatch.setattr(retries, "_LONGEST", 0.05)
        async with graph_as_provider(double):
            yield double


async def read_from_graph(
    world: World, double: Double, scopes: GraphScopes = GraphScopes.ALL
) -> None:
    """Let the tenant's policies be read from the double."""
    transactions = world.resources[Login.MAINTENANCE].transactions
    await save_tenant(transactions, world.slug, "On Graph", settings_for(double, scopes=scopes))
