"""Marking notifications as read."""

from typing import Annotated

import strawberry
from strawberry import argument, field

from domain.errors import LimitExceededError
from gql.audit import audit
from gql.completion import completes
from gql.context import Info
from gql.limits.cost import MEMBERS
from gql.notifications.queries import Notification
from gql.pages import MAX_PAGE


@strawberry.input(description="The notifications to mark as read.")
class MarkNotificationsReadInput:
    tenant_id: strawberry.ID = field(description="The id of the tenant.")
    notification_ids: list[strawberry.ID] = field(
        description="The ids of the notifications, at most 100."
    )


@strawberry.type(description="The result of `markNotificationsRead`.")
class MarkNotificationsReadPayload:
    notifications: list[Notification] = field(
        description="The caller's notifications among the given ids.", metadata={MEMBERS: MAX_PAGE}
    )
    unread_count: int = field(description="The number of notifications that are still unread.")


@strawberry.type
class NotificationMutations:
    @strawberry.mutation(description="Mark notifications of the caller as read.")
    @completes
    async def mark_notifications_read(
        self,
        info: Info,
        input: Annotated[  # noqa: A002
            MarkNotificationsReadInput, argument(description="The notifications to mark.")
        ],
    ) -> MarkNotificationsReadPayload:
        access, _ = await info.context.locate(input.tenant_id, "Tenant")
        if len(input.notification_ids) > MAX_PAGE:
            raise LimitExceededError(f"Mark at most {MAX_PAGE} notifications at a time.")
        ids = []
        for id_ in input.notification_ids:
            _, decoded = await info.context.locate(id_, "Notification", within=access)
            ids.append(decoded.uuid_key())
        marked, unread = await info.context.cases.notifications.mark_read(access, ids)
        if marked:
            audit("notifications.read", access)
        return MarkNotificationsReadPayload(
            notifications=[Notification.of(row, access, info) for row in marked],
            unread_count=unread,
        )
