"""The providers of policies, and the choice of a tenant's provider."""

from pathlib import Path

from domain.inventory.provider import InventoryProvider
from domain.runs.failures import FailureReason, ProducerError


def provider_of(export_folder: str | None) -> InventoryProvider:
    """Return a new provider for the tenant's export folder.

    Raises:
        ProducerError: PROVIDER_UNAVAILABLE without a folder.
    """
    if export_folder is None:
        raise ProducerError(
            FailureReason.PROVIDER_UNAVAILABLE,
            "No export folder is set for this tenant. The operator sets it with `opsrun tenant`.",
        )
    # Imported here, so that maintenance starts without it.
    from workers.providers.directory import DirectoryProvider

    return DirectoryProvider(Path(export_folder))
