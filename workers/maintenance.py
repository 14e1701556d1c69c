"""The maintenance loops; any number of processes may run them at the same time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from uuid import UUID

from domain.inventory.maintenance import InventoryMaintenance
from domain.inventory.provider import ProviderCall
from domain.runs.dispatching import Send
from domain.runs.failures import ProducerError
from domain.runs.maintenance import BATCH, RunMaintenance
from domain.tenancy.providers import GraphScopes, GraphSettings, ProviderSettings
from domain.tenancy.transactions import Transactions
from domain.wakeups import OUTBOX_TOPIC, WakeUps
from workers.batches import batches
from workers.metrics import MaintenanceMetrics
from workers.providers import provider_of
from workers.steps import Steps

logger = logging.getLogger(__name__)

_RELAY_POLL_SECONDS = 1.0
# While no run is queued or running, only a lost wake-up can make a run wait for the relay.
_IDLE_POLLS = 3
_RESCUE_SECONDS = 3.0
# Short enough that another worker has a lost run within its lease and 15 seconds.
_MOST_GRACE = timedelta(seconds=5)
_PURGE_SECONDS = 300.0
_COLLECT_SECONDS = 6 * 3600.0
_SCOPES_SECONDS = 10.0
_SCOPE_TAGS_SECONDS = 300.0
_SCOPES_AT_A_TIME = 32
_MEASURE_SECONDS = 15.0

# Returns how long the oldest message has waited; None if the queue cannot be reached.
QueueAge = Callable[[], Awaitable[timedelta | None]]


class Maintenance:
    """Dispatches, rescues, aborts and purges runs, and finds new scopes."""

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
        self._inventory = InventoryMaintenance(transactions)
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
                (self.find_scope_tags, _SCOPE_TAGS_SECONDS),
                (self.purge, _PURGE_SECONDS),
                (self.collect_documents, _COLLECT_SECONDS),
                (self.measure, _MEASURE_SECONDS),
            ):
                group.create_task(self.steps.repeat(step, seconds))

    async def _relay_loop(self) -> None:
        async with self._wakeups.subscribe(OUTBOX_TOPIC) as waiter:
            was_woken = True

            async def relay() -> None:
                nonlocal was_woken
                share, pause = self._tenant_concurrency, _RELAY_POLL_SECONDS
                if not was_woken and await self._runs.is_idle():
                    pause *= _IDLE_POLLS
                else:
                    while await self._runs.relay(self._send, tenant_concurrency=share) == BATCH:
                        pass
                was_woken = await waiter.wait(pause)

            await self.steps.repeat(relay, 0)

    async def rescue(self) -> None:
        """Take runs from lost workers, abort forgotten runs, and dispatch lost messages again."""
        if await self._runs.is_idle():
            return
        while rescued := await self._runs.rescue(grace=self._grace):
            self._metrics.lease_expiries.inc()
            if rescued.ended is not None:
                self._metrics.runs.ended(rescued.ended)
        while aborted := await self._runs.abort_forgotten(limit=self._queue_timeout):
            self._metrics.runs.ended(aborted)
        waiting = await self._queue_age()
        if waiting is not None:
            # A message older than the oldest one in the queue was either read or lost.
            await self._runs.redispatch(stale=waiting + self._redispatch_after)

    async def measure(self) -> None:
        """Measure the queues; scrapes report these numbers until the next measurement."""
        self._metrics.backlog(await self._runs.backlog())

    async def purge(self) -> None:
        """Delete runs past retention, the documents that they used, and removed groups."""
        await self._inventory.purge()

    async def collect_documents(self) -> None:
        """Delete all unused documents."""
        await self._inventory.collect_all_documents()

    async def find_scopes(self) -> None:
        """Record the scopes of the tenants whose provider knows them without a request."""
        await self._find(lambda settings: not _asks(settings))

    async def find_scope_tags(self) -> None:
        """Record the scopes of the tenants whose provider asks a service for them.

        It is a separate step, so that a service that hangs delays no other tenant.
        """
        await self._find(_asks)

    async def _find(self, is_chosen: Callable[[ProviderSettings], bool]) -> None:
        async for page in self._inventory.providers():
            chosen = [one for one in page if is_chosen(one[1])]
            for some in batches(chosen, _SCOPES_AT_A_TIME):
                # Concurrent searches, so that providers that hang cause one delay.
                async with asyncio.TaskGroup() as group:
                    searches = [
                        (tenant_id, group.create_task(self._scopes(tenant_id, settings)))
                        for tenant_id, settings in some
                    ]
                await self._inventory.save_scopes(
                    {tenant_id: search.result() for tenant_id, search in searches}
                )

    async def _scopes(self, tenant_id: UUID, settings: ProviderSettings) -> Sequence[str]:
        """Return the scopes that the provider has; none if it cannot be read."""
        call = ProviderCall.without_run(self._transactions, tenant_id)
        try:
            return await provider_of(settings, call).scopes()
        except ProducerError as error:
            logger.warning("The scopes of tenant %s are unknown: %s", tenant_id, error)
        except Exception:
            # The others of its batch go on.
            logger.exception("The scopes of tenant %s could not be read", tenant_id)
        return ()


def _asks(settings: ProviderSettings) -> bool:
    return isinstance(settings, GraphSettings) and settings.scopes is GraphScopes.SCOPE_TAG
