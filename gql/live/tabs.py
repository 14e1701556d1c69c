"""What users owe for events: charged at once, and paid from the budget every few seconds."""

import asyncio
from random import uniform
from time import monotonic
from uuid import UUID
from weakref import WeakValueDictionary

from gql.limits.budgets import Budgets

# Seconds for which costs are collected, because a payment costs more than sending an event.
PAY_SECONDS = 10.0
# The most that a user may owe before events wait for the budget.
CREDIT = 5_000


class Tab:
    """The cost of one user's events that the budget has not covered yet."""

    def __init__(self, budgets: Budgets, user_id: UUID) -> None:
        self._budgets = budgets
        self._user_id = user_id
        self._owed = 0
        self._due_at = monotonic()
        self._payment: asyncio.Task[None] | None = None

    def charge(self, cost: int) -> bool:
        """Add a cost, and return True; False if the user has to pay first."""
        if self._owed and self._owed + cost > CREDIT:
            return False
        self._owed += cost
        if monotonic() >= self._due_at:
            self._pay()
        return True

    async def settle(self, cost: int) -> None:
        """Add a cost; wait until the budget covers enough of what the user owes."""
        while not self.charge(cost):
            await asyncio.shield(self._pay())

    def pay_all(self) -> None:
        """Begin to pay, because no more costs may follow."""
        if self._payment is not None:
            # It does not cover the costs since it began.
            self._payment.add_done_callback(lambda _: self._owed and self._pay())
        elif self._owed:
            self._pay()

    def _pay(self) -> asyncio.Task[None]:
        if self._payment is None:
            # Not all users at the same moment.
            self._due_at = monotonic() + PAY_SECONDS * uniform(1.0, 1.5)  # noqa: S311 - no secret
            self._payment = asyncio.create_task(self._transfer())
        return self._payment

    async def _transfer(self) -> None:
        try:
            owed = self._owed
            await self._budgets.settle(self._user_id, owed)
            self._owed -= owed
        finally:
            self._payment = None


class Tabs:
    """The tabs of all users that have subscriptions."""

    def __init__(self, budgets: Budgets) -> None:
        self._budgets = budgets
        self._tabs: WeakValueDictionary[UUID, Tab] = WeakValueDictionary()

    def of(self, user_id: UUID) -> Tab:
        """Return a user's tab, which all subscriptions of the user share."""
        tab = self._tabs.get(user_id)
        if tab is None:
            tab = self._tabs[user_id] = Tab(self._budgets, user_id)
        return tab
