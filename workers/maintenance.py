"""The loops that keep everything going; any number of processes may run them at once."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from uuid import UUID

from domain.inventory import repository as inventory
from domain.log_context import log_context
from domain.runs.failures import ProducerError
from domain.runs.maintenance import BATCH, RunMaintenance, Send
from domain.tenancy import repository as tenancy
from domain.tenancy.transactions import Transactions
from domain.wakeups import OUTBOX_TOPIC, WakeUps
from workers.metrics import MaintenanceMetrics
from workers.producers.batches import batches
from workers.providers import provider_of
from workers.steps import Steps

logger = logging.getLogger(__name__)

_RELAY_POLL_SECONDS = 1.0
_RESCUE_SECONDS = 3.0
# With the steps that follow, a lost run is back at work within its lease and 15 seconds.
_MOST_GRACE = timedelta(seconds=5)
_PURGE_SECONDS = 60.0
_SCOPES_SECONDS = 10.0
_SCOPES_AT_A_TIME = 8
_MEASURE_SECONDS = 15.0
# Longer than any run: a sync stores its documents before the snapshot that refers to them.
_UNUSED_DOCUMENTS = timedelta(days=8)

# For how long the oldest message has been waiting; None while the queue is out of reach.
QueueAge = Callable[[], Awaitable[timedelta | None]]


class Maintenance:
    """Relay, re-dispatch, rescue, abort, purge, and the search for new scopes."""

    def __init__(
        self,
        transactions: Transactions,
        wakeups: WakeUps,
        send: Send,
        queue_age: QueueAge,
        *,
        lease: timedelta,
        redispatch_after: timedelta,
        queue_timeout: timedelta,
        tenant_concurrency: int,
        metrics: MaintenanceMetrics | None = None,
    ) -> None:
        self._transactions = transactions
        self._wakeups = wakeups
        self._runs = RunMaintenance(transactions, wakeups)
        self._send = send
        self._queue_age = queue_age
        self._grace = min(lease / 3, _MOST_GRACE)
        self._redispatch_after = redispatch_after
        self._queue_timeout = queue_timeout
        self._tenant_concurrency = tenant_concurrency
        self._metrics = metrics or MaintenanceMetrics(None)
        self.steps = Steps(self._metrics)

    async def run(self) -> None:
        """Run all loops until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._relay_loop())
            for step, seconds in (
                (self.rescue, _RESCUE_SECONDS),
                (self.find_scopes, _SCOPES_SECONDS),
                (self.purge, _PURGE_SECONDS),
                (self.measure, _MEASURE_SECONDS),
            ):
                group.create_task(self.steps.repeat(step, seconds))

    async def _relay_loop(self) -> None:
        async with self._wakeups.subscribe(OUTBOX_TOPIC) as waiter:

            async def relay() -> None:
                share = self._tenant_concurrency
                while await self._runs.relay(self._send, tenant_concurrency=share) == BATCH:
                    pass
                await waiter.wait(_RELAY_POLL_SECONDS)

            await self.steps.repeat(relay, 0)

    async def rescue(self) -> None:
        """Take runs from lost workers and order lost messages anew."""
        while rescued := await self._runs.rescue(grace=self._grace):
            self._metrics.lease_expiries.inc()
            if rescued.ended is not None:
                self._metrics.runs.ended(rescued.ended)
        while aborted := await self._runs.abort_forgotten(limit=self._queue_timeout):
            self._metrics.runs.ended(aborted)
        waiting = await self._queue_age()
        if waiting is not None:
            # What was sent before the oldest message that still waits has been read, or is lost.
            await self._runs.redispatch(stale=waiting + self._redispatch_after)

    async def measure(self) -> None:
        """Read how long the queues are; scrapes in between see the same."""
        self._metrics.backlog(await self._runs.backlog())

    async def purge(self) -> None:
        """Delete what is past retention and what nothing refers to any more."""
        for tenant_id in await self._tenants():
            with log_context(tenant_id=tenant_id):
                pinned = inventory.pinned_runs(tenant_id)
                while await self._runs.purge(tenant_id, pinned=pinned) == BATCH:
                    pass
                while await self._collect(tenant_id) == BATCH:
                    pass

    async def _tenants(self) -> list[UUID]:
        async with self._transactions.open(None) as connection:
            return list(await tenancy.tenant_slugs(connection))

    async def _collect(self, tenant_id: UUID) -> int:
        async with self._transactions.open(tenant_id) as connection:
            return await inventory.collect_documents(
                connection, tenant_id, unused_for=_UNUSED_DOCUMENTS, limit=BATCH
            )

    async def find_scopes(self) -> None:
        """Write down which scopes the tenants' providers have now."""
        async with self._transactions.open(None) as connection:
            folders = await tenancy.export_folders(connection)
        for some in batches(folders, _SCOPES_AT_A_TIME):
            # Side by side, so that folders that hang delay the others only once.
            async with asyncio.TaskGroup() as group:
                searches = [
                    (tenant_id, group.create_task(_scopes(tenant_id, folder)))
                    for tenant_id, folder in some
                ]
            for tenant_id, search in searches:
                if scopes := search.result():
                    async with self._transactions.open(tenant_id) as connection:
                        await inventory.save_scopes(connection, tenant_id, scopes)


async def _scopes(tenant_id: UUID, folder: str) -> Sequence[str]:
    """Return the scopes in the folder; none when it cannot be read."""
    try:
        return await provider_of(folder).scopes()
    except ProducerError as error:
        logger.warning("The scopes of tenant %s are unknown: %s", tenant_id, error)
        return ()
