"""The use cases of a user's notifications (P4)."""

from collections.abc import Sequence
from uuid import UUID

from domain.notifications import repository
from domain.notifications.models import Notification
from domain.tenancy.models import TenantAccess
from domain.tenancy.roles import VIEW
from domain.tenancy.transactions import Transactions


class Notifications:
    """Marks notifications as read."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def mark_read(
        self, access: TenantAccess, ids: Sequence[UUID]
    ) -> tuple[Sequence[Notification], int]:
        """Mark the caller's notifications as read, and ignore other ids.

        Return them, and the number of the caller's unread notifications.
        """
        async with self._transactions.member(access, VIEW) as session:
            await repository.mark_read(session, ids)
            marked = [*(await repository.by_ids(session, ids)).values()]
            return marked, await repository.unread_count(session)
