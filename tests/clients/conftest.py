"""The product as a client author finds it: API, worker and maintenance, and a tenant to work in."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from domain.tenancy.roles import TenantRole
from tests.opsrun.conftest import Installation, installation, installed, place
from tests.opsrun.test_processes import maintenance, worker
from tests.opsrun.test_serving import api
from tests.world import World

__all__ = ["installation", "installed", "place"]

NOBODY = 1  # a port that no test listens on
_ENDED = (
    "SELECT 1 FROM opsrun.operation_run WHERE tenant_id = :tenant_id AND finished_at IS NOT NULL"
)


def port(url: str) -> int:
    """Return the port of an address."""
    return int(url.rpartition(":")[2])


def versions(lines: list[str]) -> list[int]:
    """Return the versions of the events that an example printed."""
    return [int(found[1]) for line in lines if (found := re.search(r"  #(\d+) ", line))]


@dataclass(frozen=True, slots=True)
class Product:
    """A running installation: where it is, and how a member of the tenant signs in."""

    url: str
    place: World

    def environment(self, role: TenantRole = TenantRole.OPERATOR) -> dict[str, str]:
        """Return the variables that every example takes."""
        return {
            "OPSRUN_URL": f"{self.url}/graphql",
            "OPSRUN_TOKEN": self.place.token(role),
            "OPSRUN_TENANT": self.place.slug,
        }

    async def has_ended(self) -> bool:
        """Tell whether a run of the tenant has ended."""
        return bool(await self.place.rows(_ENDED))


@pytest.fixture
async def product(installation: Installation, place: World) -> AsyncIterator[Product]:
    """Run every kind of process."""
    async with (
        maintenance(installation),
        worker(installation),
        api(installation) as (_, url),
    ):
        yield Product(url, place)
