"""The use cases around a user's notifications (P4)."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from domain.notifications import repository
from domain.notifications.models import Notification
from domain.tenancy.models import TenantAccess
from domain.tenancy.roles import VIEW
from domain.tenancy.transactions import Transactions


class Notifications:
    """Everybody reads their own, and nobody else's."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def page(
        self, access: TenantAccess, *, before_seq: int | None, unread_only: bool, limit: int
    ) -> Sequence[Notification]:
        """Return the newest of the caller's notifications."""
        async with self._transactions.member(access, VIEW) as connection:
            return await repository.page(
                connection,
                access.tenant_id,
                access.user_id,
                before_seq=before_seq,
                unread_only=unread_only,
                limit=limit,
            )

    async def after(
        self, access: TenantAccess, *, seq: int, until_seq: int, limit: int
    ) -> Sequence[Notification]:
        """Return the caller's notifications written between two places of the feed."""
        async with self._transactions.member(access, VIEW) as connection:
            return await repository.after(
                connection,
                access.tenant_id,
                access.user_id,
                seq=seq,
                until_seq=until_seq,
                limit=limit,
            )

    async def by_ids(
        self, access: TenantAccess, ids: Sequence[UUID]
    ) -> Mapping[UUID, Notification]:
        """Return those of the notifications that are the caller's."""
        async with self._transactions.member(access, VIEW) as connection:
            found = await repository.by_ids(connection, access.tenant_id, access.user_id, ids)
        return {notification.id: notification for notification in found}

    async def unread_count(self, access: TenantAccess) -> int:
        """Return how many the caller has not read."""
        async with self._transactions.member(access, VIEW) as connection:
            return await repository.unread_count(connection, access.tenant_id, access.user_id)

    async def mark_read(self, access: TenantAccess, ids: Sequence[UUID]) -> Sequence[Notification]:
        """Mark the caller's notifications as read and return them; ids of others do nothing."""
        async with self._transactions.member(access, VIEW) as connection:
            await repository.mark_read(connection, access.tenant_id, access.user_id, ids)
            return await repository.by_ids(connection, access.tenant_id, access.user_id, ids)
