"""The providers of policies, and the choice of a tenant's provider."""

from pathlib import Path

from domain.inventory.provider import InventoryProvider, ProviderCall
from domain.runs.failures import FailureReason, ProducerError
from domain.tenancy.providers import DirectorySettings, GraphSettings, ProviderSettings


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
