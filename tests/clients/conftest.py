"""A whole installation for the client examples: API, worker, maintenance, and a tenant."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal

import asyncpg
import pytest

from crash.proxy import Proxy
from domain.tenancy.roles import TenantRole
from opsrun.dev.embedded import EmbeddedServers
from tests.acts import export, policy, save_scopes, start_sync
from tests.opsrun.api.test_serving import api
from tests.opsrun.commands import Command, until
from tests.opsrun.conftest import Installation, installation, installed, place
from tests.opsrun.test_processes import maintenance, no_policy_can_be_stored, worker
from tests.world import SCOPE, World

__all__ = ["installation", "installed", "place"]

Fault = Literal["cut", "restart", "silence"]

# More than a first batch, so that there are several progress events.
POLICIES = 335
CLOSED_PORT = 1
_ENDED = (
    "SELECT every(finished_at IS NOT NULL) FROM opsrun.operation_run WHERE tenant_id = :tenant_id"
)


def port(url: str) -> int:
    """Return the port of an address."""
    return int(url.rpartition(":")[2])


@dataclass(frozen=True, slots=True)
class Product:
    """The URL of a running installation, and a tenant in it."""

    url: str
    place: World

    def environment(self, role: TenantRole = TenantRole.OPERATOR) -> dict[str, str]:
        """Return the environment variables that every example reads."""
        return {
            "OPSRUN_URL": f"{self.url}/graphql",
            "OPSRUN_TOKEN": self.place.token(role),
            "OPSRUN_TENANT": self.place.slug,
        }

    async def start_sync(self, scope_key: str = SCOPE) -> None:
        """Start a sync as another user."""
        await start_sync(self.place, scope_key)

    async def has_ended(self) -> bool:
        """Return whether the tenant had runs and all of them have ended."""
        ((ended,),) = await self.place.rows(_ENDED)
        return bool(ended)


@dataclass(frozen=True, slots=True)
class Line:
    """A client's only connection to the product, and a sync that lasts until `restore`."""

    proxy: Proxy
    api: Command
    environment: dict[str, str]
    _product: Product
    _lock: asyncpg.Connection

    async def fail(self, fault: Fault) -> None:
        """Break all connections in this way, and accept no more of them."""
        self.proxy.target = CLOSED_PORT
        if fault == "cut":
            self.proxy.cut()
        elif fault == "restart":
            await self.api.stop()
        else:
            self.proxy.fall_silent()

    async def restore(self) -> None:
        """Let the sync end while clients are away, then accept connections again."""
        await self._lock.execute("ROLLBACK")
        await until(self._product.has_ended)
        self.proxy.target = port(self._product.url)


@pytest.fixture(scope="session")
def api_settings() -> dict[str, str]:
    """Return the settings of a module's API."""
    return {}


@pytest.fixture(scope="module")
async def served(installation: Installation, api_settings: dict[str, str]) -> AsyncIterator[str]:
    """The URL of an installation with all processes, shared by a module's tests."""
    async with (
        maintenance(installation),
        worker(installation),
        api(installation, **api_settings) as (_, url),
    ):
        yield url


@pytest.fixture
async def product(served: str, place: World) -> Product:
    """The product, and a new tenant with one scope."""
    await save_scopes(place, SCOPE)
    return Product(served, place)


@pytest.fixture
async def line(
    product: Product,
    installation: Installation,
    servers: EmbeddedServers,
    api_settings: dict[str, str],
) -> AsyncIterator[Line]:
    """Keep the next sync running until the line is restored."""
    export(product.place, *(policy(str(number)) for number in range(POLICIES)))
    async with (
        Proxy() as proxy,
        api(installation, **api_settings) as (first, url),
        no_policy_can_be_stored(servers) as lock,
    ):
        proxy.target = port(url)
        through = {"OPSRUN_URL": f"http://127.0.0.1:{proxy.port}/graphql"}
        yield Line(proxy, first, product.environment() | through, product, lock)


def assert_nothing_missed(script: Command) -> None:
    """Check that an example printed each event once, up to the end."""
    versions = [int(version) for version in re.findall(r"  #(\d+) ", script.output)]
    assert versions == list(range(versions[0], versions[0] + len(versions))), script.output
    assert len(versions) > 4, script.output
    assert script.output.count("SUCCEEDED") == 1
    assert re.search(f"SUCCEEDED +{POLICIES}(/| of ){POLICIES}", script.lines[-1])
