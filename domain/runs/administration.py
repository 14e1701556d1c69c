"""The operator's use cases: after a restore, and before an earlier release runs again.

They need the maintenance login.
"""

from domain.runs.repository import feed, relay
from domain.tenancy.transactions import Transactions


async def reset_feeds(transactions: Transactions) -> int:
    """Give every tenant's feed a new epoch, so that all cursors are refused; return how many."""
    async with transactions.installation() as session:
        return await feed.reset_all(session)


async def unpark(transactions: Transactions) -> int:
    """Make all parked outbox entries due, which release 0.1 cannot do; return how many.

    A running maintenance process of this release parks them again.
    """
    async with transactions.installation() as session:
        return await relay.unpark(session)
