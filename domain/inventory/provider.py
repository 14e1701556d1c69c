"""Where policies come from: the seam through which `inventory.sync` reads (P1)."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from domain.runs.failures import ProducerError


@dataclass(frozen=True, slots=True)
class NotTaken:
    """Something in a scope that is not stored: either it failed, or it is ignored, and why."""

    key: str
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
    """Reads the policies of a tenant's scopes.

    A provider reads each policy once, and holds one batch in memory at a time:

        async for batch in provider.policies("workstations"):
            for policy in batch: ...
    """

    async def scopes(self) -> Sequence[str]:
        """Return the keys of all scopes, sorted."""
        ...

    def policies(self, scope_key: str) -> AsyncIterator[Sequence[PolicyDocument | NotTaken]]:
        """Yield everything in the scope in batches of bounded size.

        Keys are stable and unique within the scope. Two policies may have the same policy id.

        Raises:
            ProducerError: SCOPE_NOT_FOUND, PROVIDER_UNAVAILABLE when a retry may help, or why
                the operator's settings for the scope are not usable.
        """
        ...
