"""A worker's lease on a run: claim it, send heartbeats, write under the fence, finish."""

from asyncio import sleep
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

from domain.budgets.service import RequestBudgets
from domain.redaction.sanitizer import sanitize
from domain.runs.dispatching import Dispatcher, Send
from domain.runs.failures import ProducerError
from domain.runs.models import ItemOutcome, Lease, OperationRun
from domain.runs.repository import items, reading, transitions
from domain.runs.repository.giving_back import give_back
from domain.runs.repository.items import ItemResult
from domain.runs.repository.recording import Failure
from domain.tenancy.session import TenantSession
from domain.tenancy.transactions import Transactions
from domain.wakeups import OUTBOX_TOPIC, WakeUps, feed_topic

T = TypeVar("T")

MESSAGE_LENGTH = 500
# Users see only longer waits.
NOTABLE_SECONDS = 2.0
# How soon another worker may get a run that a worker gave back.
_GIVE_BACK_DELAY = timedelta(seconds=1)


class LeaseLostError(Exception):
    """Another worker may have the run: stop working on it at once."""


class Batch:
    """Items and effects that are committed together, in one fenced transaction."""

    def __init__(self, session: TenantSession) -> None:
        self.session = session
        self.items: list[ItemResult] = []

    def succeeded(self, key: str) -> None:
        """Record that the item is done."""
        self.items.append(ItemResult(key, ItemOutcome.SUCCEEDED))

    def skipped(self, key: str, reason: str) -> None:
        """Record that the item needed no work, and why."""
        message = sanitize(reason, max_length=MESSAGE_LENGTH)
        self.items.append(ItemResult(key, ItemOutcome.SKIPPED, message=message))

    def failed(self, key: str, error: ProducerError) -> None:
        """Record that the item failed, and why."""
        self.items.append(ItemResult(key, ItemOutcome.FAILED, error.reason, _safe_message(error)))


class RunExecution:
    """One attempt at one run, as long as its lease is held.

    Every method that writes raises LeaseLostError if the lease is lost.

        async with execution.batch() as batch:
            await repository.store(batch.session, ...)
            batch.succeeded("policy-1")
    """

    def __init__(
        self,
        transactions: Transactions,
        wakeups: WakeUps,
        dispatcher: Dispatcher,
        run: OperationRun,
        lease: Lease,
    ) -> None:
        self._transactions = transactions
        self._wakeups = wakeups
        self._dispatcher = dispatcher
        self.run = run
        self.lease = lease
        self.outside_slot: Callable[[], AbstractAsyncContextManager[None]] = nullcontext
        """Leaves the worker's slot for the time of a block; the worker sets it."""
        self._waits = 0

    @property
    def tenant_id(self) -> UUID:
        return self.run.tenant_id

    @property
    def context(self) -> Mapping[str, Any]:
        """The parameters that the run was started with."""
        return self.run.context

    def reading(self) -> AbstractAsyncContextManager[TenantSession]:
        """Open a session for reads in the run's tenant; each statement sees its own moment."""
        return self._transactions.reading(self.tenant_id)

    @property
    def budgets(self) -> RequestBudgets:
        """The budgets of requests to other services."""
        return RequestBudgets(self._transactions, self.tenant_id)

    async def finished_items(self) -> frozenset[str]:
        """Return the keys of the items that this or an earlier attempt recorded."""
        async with self.reading() as session:
            return await reading.item_keys(session, self.lease.run_id)

    async def set_total(self, total: int) -> None:
        """Record how many items the run has, including those of earlier attempts."""
        _require(
            await self._transactions.record(
                self.tenant_id, lambda session: transitions.set_total(session, self.lease, total)
            )
        )
        self._wakeups.nudge(feed_topic(self.tenant_id))

    @asynccontextmanager
    async def batch(self) -> AsyncIterator[Batch]:
        """Open a fenced transaction that commits effects, items and counts together."""
        async with self._transactions.tenant(self.tenant_id) as session:
            _require(await transitions.lock(session, self.lease))
            batch = Batch(session)
            yield batch
            has_progressed = batch.items and await items.record(session, self.lease, batch.items)
        if has_progressed:
            self._wakeups.nudge(feed_topic(self.tenant_id))

    async def heartbeat(self, duration: timedelta) -> None:
        """Extend the lease to `duration` from now."""
        _require(
            await self._transactions.write(
                self.tenant_id, lambda session: transitions.heartbeat(session, self.lease, duration)
            )
        )

    async def wait(self, seconds: float, reason: str) -> None:
        """Wait for something outside of Opsrun, such as a service that limits requests.

        The run keeps its lease, shows the reason (a sentence), and leaves its worker's slot to
        other runs. Several tasks of a run may wait at the same time.
        """
        if seconds < NOTABLE_SECONDS:
            await sleep(seconds)
            return
        async with self.outside_slot():
            self._waits += 1
            if self._waits == 1:
                await self._set_waiting(sanitize(reason, max_length=MESSAGE_LENGTH))
            try:
                await sleep(seconds)
            finally:
                self._waits -= 1
        if not self._waits:
            await self._set_waiting(None)

    async def _set_waiting(self, reason: str | None) -> None:
        _require(
            await self._transactions.record(
                self.tenant_id, lambda session: transitions.set_waiting(session, self.lease, reason)
            )
        )
        self._wakeups.nudge(feed_topic(self.tenant_id))

    async def finish(self) -> OperationRun:
        """End the run with the status that follows from its counts; return the ended run."""
        return await self._end(None)

    async def fail(self, reason: str, message: str, *, error_id: str | None = None) -> OperationRun:
        """End the run as FAILED; return the ended run."""
        message = sanitize(message, max_length=MESSAGE_LENGTH)
        return await self._end(Failure(reason, message, error_id))

    async def _end(self, failure: Failure | None) -> OperationRun:
        share = self._dispatcher.share
        ended, next_entry = _require(
            await self._transactions.record(
                self.tenant_id,
                lambda session: transitions.finish(session, self.lease, failure, share=share),
            )
        )
        await self._dispatcher.announce(self.tenant_id, next_entry)
        return ended

    async def release(self, delay: timedelta) -> None:
        """Return the run to the queue, due after `delay`; the attempt does not count."""
        _require(
            await self._transactions.record(
                self.tenant_id, lambda session: transitions.release(session, self.lease, delay)
            )
        )
        self._wakeups.nudge(OUTBOX_TOPIC, feed_topic(self.tenant_id))


def _require(changed: T | None) -> T:
    if not changed:
        raise LeaseLostError
    return changed


def _safe_message(error: ProducerError) -> str:
    return sanitize(error.message, max_length=MESSAGE_LENGTH, names=error.names)


class RunClaimer:
    """Claims runs for one worker process."""

    def __init__(
        self,
        transactions: Transactions,
        wakeups: WakeUps,
        *,
        owner: str,
        send: Send | None = None,
        share: int = 0,
    ) -> None:
        """Claim runs as `owner`. When one ends, `send` the tenant's next one, within its share."""
        self._transactions = transactions
        self._wakeups = wakeups
        self._dispatcher = Dispatcher(transactions, wakeups, send, share)
        self._owner = owner

    async def claim(self, tenant_id: UUID, run_id: UUID, lease: timedelta) -> RunExecution | None:
        """Claim the run; return None if the message is a duplicate or too late."""
        claimed = await self._transactions.record(
            tenant_id,
            lambda session: transitions.claim(session, run_id, owner=self._owner, lease=lease),
        )
        if claimed is None:
            return None
        self._wakeups.nudge(feed_topic(tenant_id))
        return RunExecution(self._transactions, self._wakeups, self._dispatcher, *claimed)

    async def give_back(self, tenant_id: UUID, run_id: UUID) -> None:
        """Leave a run, whose type this worker does not know, to another worker."""
        async with self._transactions.tenant(tenant_id) as session:
            await give_back(session, run_id, delay=_GIVE_BACK_DELAY)
