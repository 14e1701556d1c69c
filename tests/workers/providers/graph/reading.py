"""A reader of the double: its settings, its calls, and what they waited for."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID, uuid4

from domain.inventory.provider import ProviderCall
from domain.tenancy.providers import CredentialKind, GraphSettings
from tests.graph import Double
from workers.providers.graph.client import GraphClient
from workers.providers.graph.clouds import Endpoints
from workers.providers.graph.connections import GraphConnections

SECRET_VARIABLE = "TEST_GRAPH_SECRET"
TENANT = UUID(int=7)


def settings_for(double: Double, **changes: object) -> GraphSettings:
    """Return the settings of the double's app; its secret is in the environment."""
    os.environ[SECRET_VARIABLE] = double.tokens.secret
    values = {
        "tenant": double.tokens.tenant_id,
        "client": double.tokens.client_id,
        "credential": CredentialKind.SECRET,
        "reference": f"env:{SECRET_VARIABLE}",
        **changes,
    }
    return GraphSettings.model_validate(values)


class NoBudgets:
    """Budgets without a limit, for tests of other things; it counts what is taken."""

    def __init__(self) -> None:
        self.taken = 0
        self.closed: list[tuple[str, float]] = []

    async def take(
        self, _owner: str, _area: str, requests: int, *, limit: int, window: timedelta
    ) -> float:
        assert 0 < requests <= limit, window
        self.taken += requests
        return 0.0

    async def close(self, _owner: str, area: str, seconds: float) -> None:
        self.closed.append((area, seconds))


@dataclass
class Waits:
    """The waits of a call, which take no time."""

    seconds: list[float] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    async def __call__(self, seconds: float, reason: str) -> None:
        self.seconds.append(seconds)
        self.reasons.append(reason)


@dataclass
class Reader:
    """A client of the double, and what happened to it."""

    double: Double
    client: GraphClient
    connections: GraphConnections
    settings: GraphSettings
    waits: Waits
    budgets: NoBudgets
    request_id: UUID


def call_of(request_id: UUID, waits: Waits, budgets: NoBudgets) -> ProviderCall:
    """Return a call that waits for nothing."""
    return ProviderCall(TENANT, request_id, waits, budgets)  # type: ignore[arg-type]


@asynccontextmanager
async def reading(double: Double, **changes: object) -> AsyncIterator[Reader]:
    """Yield a reader with connections for itself."""
    connections = GraphConnections(Endpoints(double.authority, double.url), double.ca_file)
    settings, waits, budgets = settings_for(double, **changes), Waits(), NoBudgets()
    request_id = uuid4()
    client = GraphClient(settings, call_of(request_id, waits, budgets), connections)
    try:
        yield Reader(double, client, connections, settings, waits, budgets, request_id)
    finally:
        await connections.aclose()
