"""Live notifications: the caller's own, each exactly once, resumable by cursor."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial
from typing import Annotated

import strawberry
from strawberry import UNSET, argument

from domain.notifications import repository
from domain.runs.feed import FeedGapError
from domain.runs.models import FeedCursor
from domain.runs.repository.feed import position
from gql.context import Info
from gql.live.events import live
from gql.live.following import read_events
from gql.notifications.queries import NOTIFICATIONS, Notification

_BATCH = 100


@strawberry.type
class NotificationSubscriptions:
    @strawberry.subscription(
        description="The caller's new notifications in a tenant. With `after`, sends those after"
        " that cursor first."
    )
    async def notifications(
        self,
        info: Info,
        tenant_id: Annotated[strawberry.ID, argument(description="The id of the tenant.")],
        after: Annotated[
            str | None, argument(description="Resume after this notification's cursor.")
        ] = UNSET,
    ) -> AsyncIterator[Notification]:
        context = info.context
        access, _ = await context.locate(tenant_id, "Tenant")
        seen: int | None = None
        if after := after or context.request.last_event_id:
            seen = await context.place(after, NOTIFICATIONS, access.tenant_id)
        async with context.cases.feeds.follow(access.tenant_id) as feed:
            while True:
                cursor = (await context.read(position, access)).cursor
                seen = cursor.seq if seen is None else seen
                try:
                    async with aclosing(read_events(context, access, feed, cursor)) as events:
                        while True:
                            fresh = await context.read(
                                repository.after,
                                access,
                                seq=seen,
                                until_seq=cursor.seq,
                                limit=_BATCH,
                            )
                            for notification in fresh:
                                await context.stay(access.tenant_id)
                                seen = notification.seq
                                yield live(
                                    Notification,
                                    FeedCursor(cursor.epoch, notification.seq),
                                    partial(Notification.of, notification, access, info),
                                    detail=(notification.id, notification.read_at),
                                    committed_at=notification.created_at,
                                )
                            if len(fresh) == _BATCH:
                                continue
                            cursor, event = await anext(events)
                            # Only the user who started a run is notified of it.
                            while not event or event.run.initiator.id != access.user_id:
                                cursor, event = await anext(events)
                except FeedGapError:
                    continue
