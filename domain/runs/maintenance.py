"""Keep runs going without a person: dispatch, re-dispatch, rescue, abort.

Each method does one bounded step. Any number of maintenance processes may run them at the same
time.
"""

from dataclasses import dataclass
from datetime import timedelta

from domain.runs.dispatching import Send
from domain.runs.failures import FailureReason
from domain.runs.models import Backlog, OperationRun
from domain.runs.repository import maintenance, relay
from domain.runs.repository.backlog import is_idle, read_backlog
from domain.runs.repository.recording import Failure
from domain.tenancy.transactions import Transactions
from domain.wakeups import OUTBOX_TOPIC, WakeUps, feed_topic

BATCH = 100
_RETRY_DELAY = timedelta(seconds=2)
_FORGOTTEN = "No worker took the run in time. Start it again when workers are available."
_UNSERVED = "No worker that knows `{}` was running. Start it again when one is."


@dataclass(frozen=True, slots=True)
class Rescued:
    """A run that was taken from its worker; `ended` is set if no attempt was left."""

    ended: OperationRun | None


class RunMaintenance:
    """The maintenance of runs. It needs the maintenance login, which sees every tenant."""

    def __init__(self, transactions: Transactions, wakeups: WakeUps) -> None:
        self._transactions = transactions
        self._wakeups = wakeups

    async def relay(self, send: Send, *, tenant_concurrency: int) -> int:
        """Dispatch due outbox entries; return how many were read.

        At most `tenant_concurrency` runs of a tenant are dispatched or running at a time. Entries
        whose type no running worker knows wait in the outbox until one does.

        Raises:
            DispatchUnavailableError: the broker refused a message. All of them are sent again,
                and a duplicate does nothing.
        """
        async with self._transactions.installation() as session:
            dispatches, parked = await relay.take_dispatches(
                session, limit=BATCH, tenant_concurrency=tenant_concurrency
            )
            if dispatches:
                await send(dispatches)
                await relay.delete_dispatches(session, dispatches)
        if parked:
            # Their places are free for others.
            self._wakeups.nudge(OUTBOX_TOPIC)
        return len(dispatches) + parked

    async def redispatch(self, *, stale: timedelta) -> int:
        """Let the relay send runs again that are pending `stale` after their dispatch.

        Returns how many. Also deletes sent entries of claimed runs.
        """
        async with self._transactions.installation() as session:
            count = await relay.redispatch(session, stale=stale, limit=BATCH)
            count += await relay.review_sent_entries(session, stale=stale)
        if count:
            self._wakeups.nudge(OUTBOX_TOPIC)
        return count

    async def rescue(self, *, grace: timedelta) -> Rescued | None:
        """Take one run from a worker that stopped sending heartbeats; None if there is none."""
        ended: OperationRun | None = None
        async with self._transactions.installation() as session:
            run = await maintenance.take_expired(session, grace=grace)
            if run is None:
                return None
            if run.attempts_left:
                delay = _RETRY_DELAY * run.attempt
                await maintenance.requeue(session.within(run.tenant_id), run.run_id, delay=delay)
            else:
                failure = Failure(
                    FailureReason.WORKER_LOST,
                    f"The worker was lost {run.attempt} times in a row. Start the run again."
                    " If it fails again, contact the operator.",
                )
                ended = await maintenance.fail(session.within(run.tenant_id), run.run_id, failure)
        self._wakeups.nudge(OUTBOX_TOPIC, feed_topic(run.tenant_id))
        return Rescued(ended)

    async def abort_forgotten(self, *, limit: timedelta) -> OperationRun | None:
        """End one run that no worker took within `limit`; None if there is none."""
        async with self._transactions.installation() as session:
            run = await maintenance.take_forgotten(session, limit=limit)
            if run is None:
                return None
            message = _FORGOTTEN if run.is_served else _UNSERVED.format(run.run_type)
            failure = Failure(FailureReason.QUEUE_TIMEOUT, message)
            ended = await maintenance.abort(session.within(run.tenant_id), run.run_id, failure)
        self._wakeups.nudge(OUTBOX_TOPIC, feed_topic(run.tenant_id))
        return ended

    async def is_idle(self) -> bool:
        """Return whether there is nothing to dispatch, rescue or abort, now or later."""
        async with self._transactions.installation() as session:
            return await is_idle(session)

    async def backlog(self) -> Backlog:
        """Return how many runs of all tenants are queued and running."""
        async with self._transactions.installation() as session:
            return await read_backlog(session)
