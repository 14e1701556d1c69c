"""Notifications, as their recipients read them."""

from datetime import datetime
from typing import Annotated

import strawberry
from strawberry import UNSET, argument, field

from domain.notifications import models, repository
from domain.notifications.models import NotificationOutcome
from domain.runs.repository import reading
from domain.tenancy.models import TenantAccess
from gql.arguments import After, First
from gql.context import Info
from gql.ids import GlobalId, Node
from gql.pages import DEFAULT_PAGE, Connection, CursorKind, PageRequest, cursor_number
from gql.runs.types import OperationRun

NOTIFICATIONS = CursorKind[models.Notification, int](
    "notifications", encode=lambda row: (row.seq,), decode=cursor_number(63)
)

_WORDS = {
    NotificationOutcome.QUEUED: "is queued",
    NotificationOutcome.SUCCEEDED: "succeeded",
    NotificationOutcome.PARTIALLY_SUCCEEDED: "succeeded in part",
    NotificationOutcome.FAILED: "failed",
}


@strawberry.type(description="A message to the caller about a run they started.")
class Notification(Node):
    access: strawberry.Private[TenantAccess]
    model: strawberry.Private[models.Notification]
    outcome: NotificationOutcome = field(description="What happened to the run.")
    created_at: datetime = field(description="When the notification was created.")
    read_at: datetime | None = field(
        description="When the caller marked it as read; null while unread."
    )
    url: str = field(description="The URL of the run's page in the hub.")
    cursor: str = field(description="Pass it as `after` to page or subscribe from here.")

    @classmethod
    def of(
        cls, notification: models.Notification, access: TenantAccess, info: Info
    ) -> "Notification":
        tenant_id = notification.tenant_id
        run_id = GlobalId("OperationRun", tenant_id, notification.run_id.hex).encode()
        return cls(
            id=GlobalId("Notification", tenant_id, notification.id.hex).encode(),
            access=access,
            model=notification,
            outcome=notification.outcome,
            created_at=notification.created_at,
            read_at=notification.read_at,
            url=info.context.links.run(access.tenant.slug, run_id),
            cursor=NOTIFICATIONS.cursor(tenant_id, notification),
        )

    @field(description="The run in its current state.")
    async def run(self, info: Info) -> OperationRun:
        run = await info.context.load(reading.by_ids, self.access, self.model.run_id)
        assert run is not None  # deleting a run deletes its notifications
        return OperationRun.of(run, self.access, info)

    @field(description="The message as text, for example `inventory.sync succeeded`.")
    async def title(self, info: Info) -> str:
        run = await self.run(info)
        return f"{run.run_type} {_WORDS[self.outcome]}"


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
