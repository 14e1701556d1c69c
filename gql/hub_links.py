"""Addresses of pages in the hub."""


class HubLinks:
    """Builds links to the hub, under the installation's public URL."""

    def __init__(self, public_url: str) -> None:
        self._base = public_url.rstrip("/")

    def run(self, tenant_slug: str, run_id: str) -> str:
        """Return the address of a run's page."""
        return f"{self._base}/t/{tenant_slug}/operations/{run_id}"
