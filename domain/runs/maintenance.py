"""Keep every promise about runs without a person: relay, re-dispatch, rescue, abort, purge.

Each function does one bounded step and tells how much it did; any number of
maintenance processes may call them at the same time.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.lifecycle import RunStatus
from domain.runs.ending import announce_end
from domain.runs.failures import FailureReason
from domain.runs.models import OperationRun, RunEventKind
from domain.runs.repository import feed, maintenance, transitions
from domain.runs.repository.backlog import Backlog, read_backlog
from domain.runs.repository.maintenance import Dispatch, PinnedRuns, RunKey
from domain.tenancy.transactions import Transactions
from domain.wakeups import OUTBOX_TOPIC, WakeUps, feed_topic

BATCH = 100
_RETRY_DELAY = timedelta(seconds=2)


class DispatchUnavailableError(Exception):
    """The broker did not take the message; the order stays in the outbox."""


Send = Callable[[Dispatch], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Rescued:
    """A run was taken from its worker: for the next one, or, if that was the last, it `ended`."""

    ended: OperationRun | None


class RunMaintenance:
    """The maintenance use cases; needs the maintenance login, which sees every tenant."""

    def __init__(self, transactions: Transactions, wakeups: WakeUps) -> None:
        self._transactions = transactions
        self._wakeups = wakeups

    async def relay(self, send: Send, *, tenant_concurrency: int) -> int:
        """Send due dispatch orders; return how many.

        No tenant gets more than `tenant_concurrency` runs into the workers' hands at a time.

        Raises:
            DispatchUnavailableError: the broker refused one; those sent before it are done.
        """
        async with self._transactions.open(None) as connection:
            dispatches = await maintenance.take_dispatches(
                connection, limit=BATCH, tenant_concurrency=tenant_concurrency
            )
            sent: list[Dispatch] = []
            failure: DispatchUnavailableError | None = None
            for dispatch in dispatches:
                try:
                    await send(dispatch)
                except DispatchUnavailableError as error:
                    failure = error
                    break
                sent.append(dispatch)
            if sent:
                await maintenance.delete_dispatches(connection, sent)
        if failure is not None:
            raise failure
        return len(sent)

    async def redispatch(self, *, stale: timedelta) -> int:
        """Order anew what has been pending for `stale` although its message was sent."""
        async with self._transactions.open(None) as connection:
            count = await maintenance.redispatch(connection, stale=stale, limit=BATCH)
        if count:
            await self._wakeups.nudge(OUTBOX_TOPIC)
        return count

    async def rescue(self, *, grace: timedelta) -> Rescued | None:
        """Take one run from a worker that stopped sending heartbeats; None when there is none."""
        ended: OperationRun | None = None
        async with self._transactions.open(None) as connection:
            run = await maintenance.take_expired(connection, grace=grace)
            if run is None:
                return None
            if run.attempts_left:
                delay = _RETRY_DELAY * run.attempt
                await maintenance.requeue(connection, run, delay=delay)
                await transitions.reenqueue(connection, run.tenant_id, run.run_id, delay)
                await feed.emit(connection, run.tenant_id, run.run_id, RunEventKind.REQUEUED)
            else:
                ended = await self._end(
                    connection,
                    run,
                    RunStatus.FAILED,
                    FailureReason.WORKER_LOST,
                    f"The worker was lost {run.attempt} times in a row. Start the run again;"
                    " if that happens once more, tell the operator.",
                )
        await self._wakeups.nudge(OUTBOX_TOPIC, feed_topic(run.tenant_id))
        return Rescued(ended)

    async def abort_forgotten(self, *, limit: timedelta) -> OperationRun | None:
        """End one run that no worker took within `limit`, and return it if there is any."""
        async with self._transactions.open(None) as connection:
            run = await maintenance.take_forgotten(connection, limit=limit)
            if run is None:
                return None
            ended = await self._end(
                connection,
                run,
                RunStatus.ABORTED,
                FailureReason.QUEUE_TIMEOUT,
                "No worker took the run in time. Start it again when workers are available.",
            )
        await self._wakeups.nudge(OUTBOX_TOPIC, feed_topic(run.tenant_id))
        return ended

    async def _end(
        self,
        connection: AsyncConnection,
        run: RunKey,
        status: RunStatus,
        reason: FailureReason,
        message: str,
    ) -> OperationRun:
        await maintenance.end(connection, run, status)
        await transitions.add_failure(
            connection,
            run.tenant_id,
            run.run_id,
            reason=reason,
            message=message,
            attempt=run.attempt,
        )
        return await announce_end(connection, run.tenant_id, run.run_id)

    async def backlog(self) -> Backlog:
        """Tell how much waits and runs, of all tenants."""
        async with self._transactions.open(None) as connection:
            return await read_backlog(connection)

    async def purge(self, tenant_id: UUID, *, pinned: PinnedRuns) -> int:
        """Delete one batch of the tenant's finished runs past retention; return how many."""
        async with self._transactions.open(None) as connection:
            run_ids = await maintenance.expired_runs(
                connection, tenant_id, pinned=pinned, limit=BATCH
            )
            if run_ids:
                highest = await maintenance.delete_runs(connection, tenant_id, run_ids)
                await feed.raise_min_seq(connection, tenant_id, highest)
        return len(run_ids)
