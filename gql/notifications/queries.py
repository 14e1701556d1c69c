"""The fields of a tenant about notifications."""

from typing import Annotated

import strawberry
from strawberry import UNSET

from domain.notifications import repository
from domain.tenancy.models import TenantAccess
from gql.arguments import After, First
from gql.context import Info
from gql.notifications.types import NOTIFICATIONS, Notification
from gql.pages import DEFAULT_PAGE, Connection, PageRequest


@strawberry.type
class TenantNotifications:
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
        request = PageRequest(info.context, root, NOTIFICATIONS, first, after)
        return await request.read(
            repository.page,
            unread_only=unread_only,
            node=lambda row: Notification.of(row, root, info),
        )

    @strawberry.field(description="How many notifications the caller has not read.")
    async def unread_notification_count(
        self, root: strawberry.Parent[TenantAccess], info: Info
    ) -> int:
        return await info.context.read(repository.unread_count, root)
