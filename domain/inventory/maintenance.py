"""The maintenance of scopes and retention. It needs the maintenance login."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Protocol, TypeVar
from uuid import UUID

from domain.groups.repository import changing as groups
from domain.inventory.repository import retention
from domain.inventory.repository.scopes import save_scopes
from domain.log_context import log_context
from domain.runs.repository import feed
from domain.runs.repository.maintenance import delete_runs
from domain.tenancy import repository as tenancy
from domain.tenancy.providers import ProviderSettings
from domain.tenancy.session import InstallationSession
from domain.tenancy.transactions import Transactions

T = TypeVar("T", covariant=True)

logger = logging.getLogger(__name__)

BATCH = 100
TENANTS = 250
# The database is probably away if so many tenants fail.
MOST_FAILURES = 10
# Groups and members: their rows are small.
GROUPS_BATCH = 10_000
# Longer than any run: a sync stores documents before the snapshot refers to them.
_UNUSED_DOCUMENTS = timedelta(days=8)


class ReadTenants(Protocol[T]):
    """A read of the next tenants in the order of ids, each with something about it."""

    async def __call__(
        self, session: InstallationSession, *, after: UUID, limit: int
    ) -> Sequence[tuple[UUID, T]]: ...


class InventoryMaintenance:
    """Records scopes, and deletes runs and documents past retention.

    Any number of maintenance processes may work at the same time.
    """

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def providers(self) -> AsyncIterator[Sequence[tuple[UUID, ProviderSettings]]]:
        """Yield the id and the provider's settings of each tenant that has a provider."""
        async for page in self._tenants(tenancy.providers):
            yield [(id_, settings) for id_, settings in page if settings is not None]

    async def save_scopes(self, keys_of: Mapping[UUID, Sequence[str]]) -> None:
        """Record the scopes that the providers of some tenants have now."""
        async with self._transactions.installation() as session:
            await save_scopes(session, keys_of)

    async def purge(self) -> None:
        """Delete all runs past retention, the documents that they used, and removed groups.

        A tenant with nothing to delete costs some steps of indexes. One that fails delays no other.

        Raises:
            Exception: the last failure, after all tenants, or when `MOST_FAILURES` have failed.
        """
        await self._visit(self._due(), self._purge)

    async def _due(self) -> AsyncIterator[UUID]:
        async for page in self._tenants(retention.next_to_purge):
            for tenant_id, is_due in page:
                if is_due:
                    yield tenant_id

    async def _purge(self, tenant_id: UUID) -> None:
        while await self.purge_runs(tenant_id) == BATCH:
            pass
        await self._collect_documents_of(tenant_id)
        while await self.purge_groups(tenant_id) == GROUPS_BATCH:
            pass

    async def collect_all_documents(self) -> None:
        """Delete every tenant's unused documents.

        It reads all documents of all tenants. It finds those that `purge` left because they were
        too young, or that a killed sync stored.

        Raises:
            Exception: as `purge`.
        """
        await self._visit(self._all(), self._collect_documents_of)

    async def _all(self) -> AsyncIterator[UUID]:
        async for page in self._tenants(tenancy.providers):
            for tenant_id, _ in page:
                yield tenant_id

    async def _collect_documents_of(self, tenant_id: UUID) -> None:
        while await self.collect_documents(tenant_id) == BATCH:
            pass

    async def _visit(
        self, tenant_ids: AsyncIterator[UUID], work: Callable[[UUID], Awaitable[None]]
    ) -> None:
        failures: list[Exception] = []
        async for tenant_id in tenant_ids:
            with log_context(tenant_id=tenant_id):
                try:
                    await work(tenant_id)
                except Exception as error:  # noqa: BLE001 - the caller gets it
                    logger.warning("Maintenance of a tenant failed: %s", error)
                    failures.append(error)
            if len(failures) == MOST_FAILURES:
                break
        if failures:
            raise failures[-1]

    async def _tenants(self, read: ReadTenants[T]) -> AsyncIterator[Sequence[tuple[UUID, T]]]:
        """Yield pages of all tenants, because there may be too many for one statement."""
        after = UUID(int=0)
        while True:
            async with self._transactions.installation() as session:
                page = await read(session, after=after, limit=TENANTS)
            yield page
            if len(page) < TENANTS:
                return
            after, _ = page[-1]

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
