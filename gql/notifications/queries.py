"""The notifications' part of a tenant."""

from typing import Annotated

import strawberry
from strawberry import UNSET

from domain.tenancy.models import TenantAccess
from gql.arguments import After, First
from gql.context import Info
from gql.notifications.types import NOTIFICATION_CURSOR, Notification
from gql.pages import DEFAULT_PAGE, Connection, cursor_number, forward_page, page_size


@strawberry.type
class TenantNotifications:
    """The fields of Tenant about the caller's own notifications."""

    @strawberry.field(description="The caller's notifications, newest first.")
    async def notifications(
        self,
        root: strawberry.Parent[TenantAccess],
        info: Info,
        first: First = DEFAULT_PAGE,
        after: After = UNSET,
        unread_only: Annotated[
            bool, strawberry.argument(description="Leave out those marked as read.")
        ] = False,
    ) -> Connection[Notification]:
        size = page_size(first)
        start = after and await info.context.place(
            after, NOTIFICATION_CURSOR, root.tenant_id, cursor_number(63)
        )
        rows = await info.context.cases.notifications.page(
            root, before_seq=start[0] if start else None, unread_only=unread_only, limit=size + 1
        )
        page = [Notification.of(row, root, info) for row in rows]
        return forward_page(
            page, size, after=after, node=lambda row: row, cursor=lambda row: row.cursor
        )

    @strawberry.field(description="How many notifications the caller has not read.")
    async def unread_notification_count(
        self, root: strawberry.Parent[TenantAccess], info: Info
    ) -> int:
        return await info.context.cases.notifications.unread_count(root)
