"""The budgets of users: the cost that each may spend in a minute."""

from typing import Protocol
from uuid import UUID


class Budgets(Protocol):
    """Counts the cost that every user has spent, across all processes."""

    def require(self, user_id: UUID) -> None:
        """Refuse a user whose budget is known to be spent, without asking another process.

        Raises:
            RateLimitedError: with the time to wait.
        """
        ...

    async def spend(self, user_id: UUID, cost: int) -> None:
        """Take a cost from the user's budget; a refusal costs a little as well.

        Raises:
            RateLimitedError: the budget does not cover it.
        """
        ...

    def owe(self, user_id: UUID, cost: int) -> None:
        """Take a cost as soon as the budget covers it, without making the caller wait."""
        ...

    async def settle(self, user_id: UUID, cost: int) -> None:
        """Take the cost of a subscription's event; wait until the budget covers it."""
        ...
