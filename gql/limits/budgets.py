"""How many points a user has left, wherever the account of it is kept."""

from typing import Protocol
from uuid import UUID


class Budgets(Protocol):
    """Keeps the account of every user, across all processes."""

    def require(self, user_id: UUID) -> None:
        """Refuse a user who is known to have nothing left; asks nobody, so it costs nothing.

        Raises:
            RateLimitedError: with the time to wait.
        """
        ...

    async def spend(self, user_id: UUID, points: int) -> None:
        """Take points from the user's account, or a few for having been asked.

        Raises:
            RateLimitedError: there are not that many left.
        """
        ...

    def owe(self, user_id: UUID, points: int) -> None:
        """Take points as soon as the user has them, without making the caller wait."""
        ...

    async def settle(self, user_id: UUID, points: int) -> None:
        """Take points for an event of a subscription; wait for them as long as there are none."""
        ...
