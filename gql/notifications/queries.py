"""The fields of a tenant about notifications."""

from typing import Annotated

import strawberry
from strawberry import UNSET, argument, field

from domain.notifications import repository
from domain.tenancy.models import TenantAccess
from gql.arguments import After, First
from gql.context import Info
from gql.notifications.types import NOTIFICATIONS, Notification
from gql.pages import DEFAULT_PAGE, Connection, PageRequest


@strawberry.type
class TenantNotifications:
    @field(description="The caller's notifications, newest first.")
    async def notifications(
        self,
        root: strawberry.Parent[TenantAccess],
        info: Info,
        first: First = DEFAULT_PAGE,
        after: After = UNSET,
        unread_only: Annotated[
            bool, argument(description="Whether to return only unread notifications.")
        ] = False,
    ) -> Connection[Notification]:
        request = PageRequest(info.context, root, NOTIFICATIONS, first, after)
        return await request.read(
            repository.page,
            unread_only=unread_only,
            node=lambda row: Notification.of(row, root, info),
        )

    @field(description="The number of the caller's unread notifications.")
    async def unread_notification_count(
        self, root: strawberry.Parent[TenantAccess], info: Info
    ) -> int:
        return await info.context.read(repository.unread_count, root)
