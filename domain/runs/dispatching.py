"""Dispatch without the relay: the process that starts or ends a run sends the message itself."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from domain.runs.models import Dispatch
from domain.runs.repository import entries
from domain.tenancy.session import DatabaseUnavailableError
from domain.tenancy.transactions import Transactions
from domain.wakeups import OUTBOX_TOPIC, WakeUps, feed_topic

logger = logging.getLogger(__name__)

Send = Callable[[Sequence[Dispatch]], Awaitable[None]]


class DispatchUnavailableError(Exception):
    """The broker did not take all messages; their entries stay in the outbox."""


class Dispatcher:
    """Announces what a transaction committed: to the readers of the feed and to the workers."""

    def __init__(
        self, transactions: Transactions, wakeups: WakeUps, send: Send | None, share: int
    ) -> None:
        """Send messages while fewer than `share` runs of a tenant are dispatched or running.

        Without `send`, the relay sends all of them.
        """
        self._transactions = transactions
        self._wakeups = wakeups
        self._send = send
        self.share = share if send else 0

    async def announce(self, tenant_id: UUID, dispatch: Dispatch | None) -> None:
        """Wake the tenant's readers up, and send the entry that the transaction marked as sent.

        Without an entry, wake the relay up: a run may wait, or a place may be free.
        """
        if dispatch is None:
            self._wakeups.nudge(OUTBOX_TOPIC, feed_topic(tenant_id))
        else:
            self._wakeups.nudge(feed_topic(tenant_id))
            await self._send_or_leave(dispatch)

    async def _send_or_leave(self, dispatch: Dispatch) -> None:
        """Send the message; if that fails, leave the entry to the relay."""
        assert self._send is not None, "without it, the share is 0"
        try:
            await self._send([dispatch])
        except DispatchUnavailableError as error:
            logger.warning("Run %s is left to the relay: %s", dispatch.run_id, error)
            await self._unmark(dispatch)
            self._wakeups.nudge(OUTBOX_TOPIC)

    async def _unmark(self, dispatch: Dispatch) -> None:
        try:
            await self._transactions.write(
                dispatch.tenant_id, lambda session: entries.unmark(session, dispatch.run_id)
            )
        except DatabaseUnavailableError as error:
            # Maintenance unmarks it later, as after a lost message.
            logger.warning("Run %s waits for its redispatch: %s", dispatch.run_id, error)
