"""The maintenance of scopes and retention. It needs the maintenance login."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from domain.groups.repository import changing as groups
from domain.inventory.repository import retention
from domain.inventory.repository.scopes import save_scopes
from domain.log_context import log_context
from domain.runs.repository import feed
from domain.runs.repository.maintenance import delete_runs
from domain.tenancy import repository as tenancy
from domain.tenancy.providers import ProviderSettings
from domain.tenancy.transactions import Transactions

BATCH = 100
# Groups and members: their rows are small.
GROUPS_BATCH = 10_000
# Longer than any run: a sync stores documents before the snapshot refers to them.
_UNUSED_DOCUMENTS = timedelta(days=8)


class InventoryMaintenance:
    """Records scopes, and deletes runs and documents past retention.

    Any number of maintenance processes may work at the same time.
    """

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def providers(self) -> Sequence[tuple[UUID, ProviderSettings]]:
        """Return the id and the provider's settings of each tenant that has a provider."""
        async with self._transactions.installation() as session:
            return await tenancy.providers(session)

    async def save_scopes(self, tenant_id: UUID, scope_keys: Sequence[str]) -> None:
        """Record the scopes that the tenant's provider has now."""
        async with self._transactions.tenant(tenant_id) as session:
            await save_scopes(session, scope_keys)

    async def purge(self) -> None:
        """Delete every tenant's runs past retention, unused documents and removed groups."""
        async with self._transactions.installation() as session:
            tenant_ids = list(await tenancy.tenant_slugs(session))
        for tenant_id in tenant_ids:
            with log_context(tenant_id=tenant_id):
                while await self.purge_runs(tenant_id) == BATCH:
                    pass
                while await self.collect_documents(tenant_id) == BATCH:
                    pass
                while await self.purge_groups(tenant_id) == GROUPS_BATCH:
                    pass

    async def purge_runs(self, tenant_id: UUID) -> int:
        """Delete one batch of the tenant's finished runs past retention; return how many."""
        async with self._transactions.tenant(tenant_id) as session:
            run_ids = await retention.expired_runs(session, limit=BATCH)
            if run_ids:
                await feed.raise_min_seq(session, await delete_runs(session, run_ids))
        return len(run_ids)

    async def collect_documents(self, tenant_id: UUID) -> int:
        """Delete one batch of documents that no snapshot or backup set uses; return how many."""
        async with self._transactions.tenant(tenant_id) as session:
            return await retention.collect_documents(
                session, unused_for=_UNUSED_DOCUMENTS, limit=BATCH
            )

    async def purge_groups(self, tenant_id: UUID) -> int:
        """Delete one batch of groups and members that the provider removed; return how many."""
        async with self._transactions.tenant(tenant_id) as session:
            return await groups.purge(session, limit=GROUPS_BATCH)
