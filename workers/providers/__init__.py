"""The providers that policies can be read from, and which one a tenant has."""

from pathlib import Path

from domain.inventory.provider import InventoryProvider
from domain.runs.failures import FailureReason, ProducerError
from workers.providers.directory import DirectoryProvider


def provider_of(export_folder: str | None) -> InventoryProvider:
    """Return the tenant's provider, a new one for each sync.

    Raises:
        ProducerError: the operator has set none.
    """
    if export_folder is None:
        raise ProducerError(
            FailureReason.PROVIDER_UNAVAILABLE,
            "No export folder is set for this tenant. The operator sets it with `opsrun tenant`.",
        )
    return DirectoryProvider(Path(export_folder))
