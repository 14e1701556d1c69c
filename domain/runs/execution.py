"""A worker's hold on a run: claim it, prove to be alive, write under the fence, finish."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.redaction.sanitizer import sanitize
from domain.runs.ending import announce_end
from domain.runs.failures import FailureReason, ProducerError
from domain.runs.models import ItemOutcome, Lease, OperationRun, RunEventKind
from domain.runs.repository import feed, reading, transitions
from domain.runs.repository.transitions import ItemResult
from domain.tenancy.transactions import Transactions
from domain.wakeups import OUTBOX_TOPIC, WakeUps, feed_topic

MESSAGE_LENGTH = 500


class LeaseLostError(Exception):
    """Another worker may have the run by now; whoever sees this stops at once."""


class Batch:
    """Items and effects that become true together, in one fenced transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self.items: list[ItemResult] = []

    def succeeded(self, key: str) -> None:
        """State that the item is done."""
        self.items.append(ItemResult(key, ItemOutcome.SUCCEEDED))

    def skipped(self, key: str, reason: str) -> None:
        """State that there was nothing to do for the item, and why."""
        message = sanitize(reason, max_length=MESSAGE_LENGTH)
        self.items.append(ItemResult(key, ItemOutcome.SKIPPED, message=message))

    def failed(self, key: str, error: ProducerError) -> None:
        """State that the item failed, and why."""
        self.items.append(ItemResult(key, ItemOutcome.FAILED, error.reason, _safe_message(error)))


class RunExecution:
    """One attempt at one run, as long as its lease is held.

    Every method that writes raises LeaseLostError once the run was taken away.
    """

    def __init__(
        self, transactions: Transactions, wakeups: WakeUps, run: OperationRun, lease: Lease
    ) -> None:
        self._transactions = transactions
        self._wakeups = wakeups
        self.run = run
        self.lease = lease

    @property
    def tenant_id(self) -> UUID:
        """The tenant whose run it is."""
        return self.lease.tenant_id

    @property
    def context(self) -> Mapping[str, Any]:
        """The parameters the run was started with."""
        return self.run.context

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction for reads in the run's tenant."""
        async with self._transactions.open(self.tenant_id) as connection:
            yield connection

    async def finished_items(self) -> frozenset[str]:
        """Return the items that this or an earlier attempt already recorded."""
        async with self.reading() as connection:
            return await reading.item_keys(connection, self.tenant_id, self.lease.run_id)

    async def set_total(self, total: int) -> None:
        """State how many items the run has in all."""
        async with self._transactions.open(self.tenant_id) as connection:
            if not await transitions.set_total(connection, self.lease, total):
                raise LeaseLostError
            await feed.emit(connection, self.tenant_id, self.lease.run_id, RunEventKind.PROGRESSED)
        await self._wakeups.nudge(feed_topic(self.tenant_id))

    @asynccontextmanager
    async def batch(self) -> AsyncIterator[Batch]:
        """Open a fenced transaction; its effects, items and counts are committed as one."""
        async with self._transactions.open(self.tenant_id) as connection:
            if not await transitions.lock(connection, self.lease):
                raise LeaseLostError
            batch = Batch(connection)
            yield batch
            if batch.items and await transitions.record_items(connection, self.lease, batch.items):
                await feed.emit(
                    connection, self.tenant_id, self.lease.run_id, RunEventKind.PROGRESSED
                )
        await self._wakeups.nudge(feed_topic(self.tenant_id))

    async def heartbeat(self, duration: timedelta) -> None:
        """Extend the lease to `duration` from now."""
        async with self._transactions.open(self.tenant_id) as connection:
            if not await transitions.heartbeat(connection, self.lease, duration):
                raise LeaseLostError

    async def finish(self) -> OperationRun:
        """End the run as its counts say; return it as it ended."""
        return await self._end(None, None)

    async def fail(
        self, reason: FailureReason, message: str, *, error_id: str | None = None
    ) -> OperationRun:
        """End the run as failed as a whole; return it as it ended."""
        return await self._end(ProducerError(reason, message), error_id)

    async def _end(self, error: ProducerError | None, error_id: str | None) -> OperationRun:
        async with self._transactions.open(self.tenant_id) as connection:
            if not await transitions.finish(connection, self.lease, failed=error is not None):
                raise LeaseLostError
            if error is not None:
                await transitions.add_failure(
                    connection,
                    self.tenant_id,
                    self.lease.run_id,
                    reason=error.reason,
                    message=_safe_message(error),
                    attempt=self.lease.attempt,
                    error_id=error_id,
                )
            ended = await announce_end(connection, self.tenant_id, self.lease.run_id)
        await self._wakeups.nudge(OUTBOX_TOPIC, feed_topic(self.tenant_id))
        return ended

    async def release(self, delay: timedelta) -> None:
        """Hand the run back for another worker, not before `delay`; the attempt is not charged."""
        async with self._transactions.open(self.tenant_id) as connection:
            if not await transitions.release(connection, self.lease, delay):
                raise LeaseLostError
            await transitions.reenqueue(connection, self.tenant_id, self.lease.run_id, delay)
            await feed.emit(connection, self.tenant_id, self.lease.run_id, RunEventKind.REQUEUED)
        await self._wakeups.nudge(OUTBOX_TOPIC, feed_topic(self.tenant_id))


def _safe_message(error: ProducerError) -> str:
    return sanitize(error.message, max_length=MESSAGE_LENGTH, names=error.names)


class RunClaimer:
    """Takes runs for one worker process."""

    def __init__(self, transactions: Transactions, wakeups: WakeUps, *, owner: str) -> None:
        self._transactions = transactions
        self._wakeups = wakeups
        self._owner = owner

    async def claim(self, tenant_id: UUID, run_id: UUID, lease: timedelta) -> RunExecution | None:
        """Take the run; None when there is nothing to take: a duplicate or late message."""
        async with self._transactions.open(tenant_id) as connection:
            held = await transitions.claim(
                connection, tenant_id, run_id, owner=self._owner, lease=lease
            )
            if held is None:
                return None
            await feed.emit(connection, tenant_id, run_id, RunEventKind.STARTED)
            (run,) = await reading.by_ids(connection, tenant_id, [run_id])
        await self._wakeups.nudge(feed_topic(tenant_id))
        return RunExecution(self._transactions, self._wakeups, run, held)
