"""Budgets of requests to another service, which all processes of the installation share.

Postgres counts them: no restart, no lost Redis and no second worker lets an app exceed its limit.
"""

from datetime import timedelta
from uuid import UUID

from domain.budgets import repository
from domain.tenancy.transactions import Transactions


class RequestBudgets:
    """The budgets that work for one tenant may use.

    while seconds := await budgets.take(owner, "catalog", 20, limit=1000, window=WINDOW):
        await asyncio.sleep(seconds)
    """

    def __init__(self, transactions: Transactions, tenant_id: UUID) -> None:
        self._transactions = transactions
        self._tenant_id = tenant_id

    async def take(
        self, owner: str, area: str, requests: int, *, limit: int, window: timedelta
    ) -> float:
        """Take requests that are sent within a second; return the seconds until the next try.

        0.0 if they were taken. At most `limit` requests of an owner and area arrive in any window.
        """
        return await self._transactions.write(
            self._tenant_id,
            lambda session: repository.take(
                session, owner, area, requests, limit=limit, window=window
            ),
        )

    async def close(self, owner: str, area: str, seconds: float) -> None:
        """Let no process take anything for a time, because the service limits requests."""
        await self._transactions.write(
            self._tenant_id, lambda session: repository.close(session, owner, area, seconds)
        )
