"""Record which run types the running workers know, so that other runs wait for another worker."""

from collections.abc import Collection

from domain.runs.repository import serving
from domain.tenancy.transactions import Transactions
from domain.wakeups import OUTBOX_TOPIC, WakeUps


class ServedRunTypes:
    """The run types that one worker knows."""

    def __init__(
        self, transactions: Transactions, wakeups: WakeUps, run_types: Collection[str]
    ) -> None:
        self._transactions = transactions
        self._wakeups = wakeups
        self._run_types = run_types

    async def record(self) -> None:
        """Record that the worker is running; call it at least every 30 s."""
        async with self._transactions.installation() as session:
            await serving.record(session, self._run_types)

    def wake_relay(self) -> None:
        """Let the relay send the runs that have waited for this worker."""
        self._wakeups.nudge(OUTBOX_TOPIC)
