"""The providers of policies, and the choice of a tenant's provider."""

from pathlib import Path
from typing import TYPE_CHECKING

from domain.inventory.provider import InventoryProvider, ProviderCall
from domain.runs.failures import FailureReason, ProducerError
from domain.tenancy.providers import DirectorySettings, GraphSettings, ProviderSettings

if TYPE_CHECKING:
    from workers.providers.graph.groups import GraphGroups


def provider_of(settings: ProviderSettings | None, call: ProviderCall) -> InventoryProvider:
    """Return a new provider with the tenant's settings.

    Raises:
        ProducerError: PROVIDER_UNAVAILABLE without settings.
    """
    if isinstance(settings, DirectorySettings):
        # Imported here, so that maintenance starts without it.
        from workers.providers.directory import DirectoryProvider

        return DirectoryProvider(Path(settings.folder))
    if isinstance(settings, GraphSettings):
        from workers.providers.graph.provider import GraphProvider

        return GraphProvider(settings, call)
    raise ProducerError(
        FailureReason.PROVIDER_UNAVAILABLE,
        "No provider is set for this tenant. The operator sets it with `opsrun tenant`.",
    )


def groups_of(settings: ProviderSettings | None, call: ProviderCall) -> "GraphGroups":
    """Return a new reader of the tenant's groups.

    Raises:
        ProducerError: PROVIDER_NOT_CONFIGURED unless the provider is Microsoft Graph.
    """
    if isinstance(settings, GraphSettings):
        # Imported here, so that maintenance starts without it.
        from workers.providers.graph.client import GraphClient
        from workers.providers.graph.groups import GraphGroups

        return GraphGroups(GraphClient(settings, call))
    raise ProducerError(
        FailureReason.PROVIDER_NOT_CONFIGURED,
        "Groups are read from Microsoft Graph, and the tenant has no such provider any more. The"
        " operator sets it with `opsrun tenant`.",
    )
