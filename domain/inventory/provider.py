"""Where policies come from: the seam behind which `inventory.sync` reads (P1)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from domain.runs.failures import ProducerError


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One policy the provider knows of, or why it cannot be identified, or is not one.

    `key` is stable and unique within the scope. Exactly one of the others is set; `ignored` says
    why this is not taken for a policy.
    """

    key: str
    policy_id: str | None = None
    failure: ProducerError | None = None
    ignored: str | None = None


@dataclass(frozen=True, slots=True)
class PolicyDocument:
    """A whole policy as the provider returned it."""

    key: str
    policy_id: str
    name: str
    policy_type: str
    body: Mapping[str, Any]


class InventoryProvider(Protocol):
    """Reads the policies of a tenant's scopes."""

    async def scopes(self) -> Sequence[str]:
        """Return the keys of all scopes, sorted."""
        ...

    async def catalogue(self, scope_key: str) -> Sequence[CatalogueEntry]:
        """List the scope's policies, sorted by key.

        Raises:
            ProducerError: SCOPE_NOT_FOUND, PROVIDER_UNAVAILABLE when a retry may help, or why
                the operator's settings for the scope are not usable.
        """
        ...

    async def read(self, scope_key: str, key: str) -> PolicyDocument:
        """Read one policy of the catalogue.

        Raises:
            ProducerError: why this policy cannot be taken.
        """
        ...
