"""Live runs: a snapshot or the events since a cursor, then every event in commit order."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Union
from uuid import UUID

import strawberry
from strawberry import UNSET, argument, field

from domain.errors import NotFoundError
from domain.runs.feed import FeedGapError, TenantFeed
from domain.runs.models import FeedCursor, RunEventKind, RunFilter
from domain.runs.models import OperationRun as Run
from domain.runs.models import RunEvent as Event
from domain.runs.queries import Snapshot
from domain.runs.repository.feed import position
from domain.tenancy.models import TenantAccess
from gql.context import Context, Info
from gql.enums import FeedChange, FeedResetReason
from gql.limits.cost import MEMBERS
from gql.limits.shape import root_fields
from gql.live import following
from gql.live.events import live
from gql.live.following import latest_events, live_events
from gql.pages import Cursor, CursorKind, cursor_number
from gql.runs.filters import run_filter
from gql.runs.queries import Filter
from gql.runs.types import OperationRun

SNAPSHOT_RUNS = 50
FEED = CursorKind[FeedCursor, FeedCursor](
    "feed",
    encode=lambda cursor: (cursor.epoch.hex, cursor.seq),
    decode=lambda epoch, seq: FeedCursor(UUID(epoch), cursor_number(63)(seq)),
)


@strawberry.type(
    description="A run that entered, changed within or left the subscription's filter."
)
class OperationRunChanged:
    change: FeedChange = field(
        description="Whether the run entered, changed within or left the filter."
    )
    run: OperationRun = field(description="The run immediately after the event.")
    cursor: str = field(description="Pass it as `after` to resume after this event.")
    occurred_at: datetime = field(description="When it happened.")


@strawberry.type(
    description="Replace all runs in your list with these. Sent first if you subscribe without a"
    " cursor, and if your cursor can no longer be used."
)
class FeedReset:
    reason: FeedResetReason = field(description="Why the list is replaced.")
    runs: list[OperationRun] = field(
        description="The newest runs of the filter, at most 50. Page through the rest with"
        " `operationRuns`.",
        metadata={MEMBERS: SNAPSHOT_RUNS},
    )
    cursor: str = field(description="Pass it as `after` to resume from here.")
    occurred_at: datetime = field(description="When the snapshot was taken.")


@strawberry.type(description="No run of the filter changed for a while. The subscription is alive.")
class FeedHeartbeat:
    cursor: str = field(description="Pass it as `after` to resume from here.")
    occurred_at: datetime = field(description="When it happened.")


OperationRunFeedEvent = Annotated[
    Union[OperationRunChanged, FeedReset, FeedHeartbeat],  # noqa: UP007
    strawberry.union("OperationRunFeedEvent", description="An event of a list subscription."),
]


@strawberry.type(
    description="The state of a run after one of its events, or a snapshot of the run."
)
class OperationRunEvent:
    kind: RunEventKind | None = field(
        description="What happened; null for a snapshot, which replaces your copy of the run."
    )
    run: OperationRun = field(description="The run immediately after the event.")
    cursor: str = field(description="Pass it as `after` to resume after this event.")
    occurred_at: datetime = field(description="When it happened.")


async def resume(
    context: Context, access: TenantAccess, feed: TenantFeed, after: str | None
) -> tuple[FeedCursor | None, FeedResetReason]:
    """Return the cursor to resume after: `after`, or that of the client's last event.

    Without a usable cursor, return None and the reason for a snapshot. A cursor of another feed
    is not an error.

    Raises:
        BadInputError: not a cursor. ForbiddenError: that of a tenant without membership.
    """
    after = after or context.request.last_event_id
    if not after:
        return None, FeedResetReason.SUBSCRIBED
    decoded = Cursor.decode(after)
    await context.enter(decoded.tenant_id)
    if (decoded.kind, decoded.tenant_id) != (FEED.name, access.tenant_id):
        return None, FeedResetReason.CURSOR_FOREIGN
    cursor = await context.place(after, FEED, access.tenant_id)
    if not feed.has_reached(cursor):
        # The reader may be behind.
        end = (await context.read(position, access)).cursor
        if cursor.epoch != end.epoch or cursor.seq > end.seq:
            return None, FeedResetReason.CURSOR_FOREIGN
    return cursor, FeedResetReason.SUBSCRIBED


@strawberry.type
class RunSubscriptions:
    @strawberry.subscription(
        description="One run until it ends. Sends a snapshot first or, with `after`, every event"
        " after that cursor; then each new event. Completes after the event that ends the run."
    )
    async def operation_run(
        self,
        info: Info,
        id: Annotated[strawberry.ID, argument(description="The id of the run.")],  # noqa: A002
        after: Annotated[str | None, argument(description="Resume after this cursor.")] = UNSET,
    ) -> AsyncIterator[OperationRunEvent]:
        context = info.context
        access, located = await context.locate(id, "OperationRun")
        run_id = located.uuid_key()

        def change_of(event: Event | None, run: Run, seen: FeedCursor) -> OperationRunEvent:
            return live(
                OperationRunEvent,
                seen,
                lambda: OperationRunEvent(
                    kind=event.kind if event else None,
                    run=OperationRun.of(run, access, info),
                    cursor=FEED.cursor(access.tenant_id, seen),
                    occurred_at=event.occurred_at if event else run.observed_at,
                ),
                detail=event is None,
                committed_at=event.occurred_at if event else None,
                is_last=run.is_terminal,
            )

        async with context.cases.feeds.follow(access.tenant_id) as feed:
            cursor, _ = await resume(context, access, feed, after)
            while True:
                await context.stay(access.tenant_id)
                resumed = await context.cases.runs.resume_run(access, run_id, cursor)
                if resumed is None:
                    raise NotFoundError("This run does not exist.")
                for past in resumed.missed or ():
                    await context.stay(access.tenant_id)
                    yield change_of(past, past.run, FeedCursor(resumed.cursor.epoch, past.seq))
                if resumed.missed is None or (not resumed.missed and resumed.run.is_terminal):
                    yield change_of(None, resumed.run, resumed.cursor)
                if resumed.run.is_terminal:
                    return
                try:
                    following = live_events(context, access, feed, resumed.cursor)
                    async with aclosing(following) as events:
                        async for seen, event in events:
                            if event is not None and event.run.id == run_id:
                                yield change_of(event, event.run, seen)
                                if event.run.is_terminal:
                                    return
                except FeedGapError:
                    cursor = None

    @strawberry.subscription(
        description="The runs of a filter. Sends a snapshot first or, with `after`, every event"
        " after that cursor; then each new event, in commit order and exactly once. With"
        " `latestOnly`, it skips versions that are out of date."
    )
    async def operation_runs(
        self,
        info: Info,
        tenant_id: Annotated[strawberry.ID, argument(description="The id of the tenant.")],
        filter: Filter = UNSET,  # noqa: A002
        after: Annotated[str | None, argument(description="Resume after this cursor.")] = UNSET,
        latest_only: Annotated[
            bool,
            argument(
                description="Skip versions of a run that a later one replaces within a second. For"
                " tenants in which many runs change at the same time."
            ),
        ] = False,
    ) -> AsyncIterator[OperationRunFeedEvent]:
        context, subscriber = info.context, info.context.subscriber()
        access, _ = await context.locate(tenant_id, "Tenant")
        within = await run_filter(filter, access, context)
        if not (filter and filter.created_from):
            # Subscribers of one hour have the same window, so that they share a group.
            hour = within.created_from.replace(minute=0, second=0, microsecond=0)
            within = replace(within, created_from=hour)
        subscriber.follow(within)

        def reset_of(snapshot: Snapshot, reason: FeedResetReason) -> FeedReset:
            return live(
                FeedReset,
                snapshot.cursor,
                lambda: FeedReset(
                    reason=reason,
                    runs=[OperationRun.of(run, access, info) for run in snapshot.runs],
                    cursor=FEED.cursor(access.tenant_id, snapshot.cursor),
                    occurred_at=snapshot.taken_at,
                ),
                detail=(snapshot.taken_at, reason),
            )

        def change_of(change: FeedChange, event: Event, seen: FeedCursor) -> OperationRunChanged:
            return live(
                OperationRunChanged,
                seen,
                lambda: OperationRunChanged(
                    change=change,
                    run=OperationRun.of(event.run, access, info),
                    cursor=FEED.cursor(access.tenant_id, seen),
                    occurred_at=event.occurred_at,
                ),
                detail=change.value,
                committed_at=event.occurred_at,
            )

        def heartbeat_of(seen: FeedCursor) -> FeedHeartbeat:
            return live(
                FeedHeartbeat,
                seen,
                lambda: FeedHeartbeat(
                    cursor=FEED.cursor(access.tenant_id, seen), occurred_at=datetime.now(UTC)
                ),
            )

        async with context.cases.feeds.follow(access.tenant_id) as feed:
            cursor, reason = await resume(context, access, feed, after)
            while True:
                if cursor is None:
                    await context.stay(access.tenant_id)
                    limit = SNAPSHOT_RUNS if _selects_runs(info) else 0
                    snapshot = await context.cases.runs.snapshot(access, within, limit)
                    cursor = snapshot.cursor
                    yield reset_of(snapshot, reason)
                    del snapshot
                # Subscribers to the latest state collect their events by themselves.
                events_of = latest_events if latest_only else live_events
                try:
                    async with aclosing(events_of(context, access, feed, cursor)) as events:
                        async for cursor, event in events:
                            change = event and _change(within, event)
                            if event and change:
                                yield change_of(change, event, cursor)
                            # Events outside the filter must still move the cursor on.
                            elif (
                                event is None
                                or subscriber.silent_seconds >= following.HEARTBEAT_SECONDS
                            ):
                                yield heartbeat_of(cursor)
                except FeedGapError:
                    cursor, reason = None, FeedResetReason.CURSOR_EXPIRED


def _selects_runs(info: Info) -> bool:
    raw = info._raw_info
    return any(
        field.name.value == "runs"
        for node in raw.field_nodes
        if node.selection_set
        for field in root_fields(node.selection_set, raw.fragments)
    )


def _change(within: RunFilter, event: Event) -> FeedChange | None:
    matched = within.matches(event.run, event.previous_bucket)
    if within.matches(event.run, event.run.status_bucket):
        return FeedChange.UPDATED if matched else FeedChange.ENTERED
    return FeedChange.LEFT if matched else None
