"""Live runs: a snapshot or the events since a cursor, then every event in commit order."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from time import monotonic
from typing import Annotated, Union
from uuid import UUID

import strawberry
from strawberry import UNSET, argument, field

from domain.errors import NotFoundError
from domain.runs.feed import FeedGapError, TenantFeed
from domain.runs.models import FeedCursor, RunEventKind, RunFilter
from domain.runs.models import OperationRun as Run
from domain.runs.models import RunEvent as Event
from domain.runs.repository.feed import position
from domain.tenancy.models import TenantAccess
from domain.tenancy.session import DatabaseUnavailableError
from gql import context as context_module
from gql.context import Context, Info
from gql.enums import FeedChange, FeedResetReason
from gql.limits.cost import MEMBERS
from gql.observation import mark_committed_at
from gql.pages import Cursor, CursorKind, cursor_number
from gql.runs.filters import run_filter
from gql.runs.queries import Filter
from gql.runs.types import OperationRun

# Seconds after which a quiet stream sends a heartbeat and checks role and token again.
HEARTBEAT_SECONDS = 15.0
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
    context: Context, access: TenantAccess, after: str | None
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
    end = (await context.read(position, access)).cursor
    if cursor.epoch != end.epoch or cursor.seq > end.seq:
        return None, FeedResetReason.CURSOR_FOREIGN
    return cursor, FeedResetReason.SUBSCRIBED


async def live_events(
    context: Context, access: TenantAccess, feed: TenantFeed, cursor: FeedCursor
) -> AsyncGenerator[tuple[FeedCursor, Event | None], None]:
    """Yield every event after the cursor without end, and None whenever the feed is quiet.

    Raises:
        FeedGapError: take a new snapshot.
        UnauthenticatedError, ForbiddenError: the caller lost the right to see more.
    """
    while True:
        try:
            events = await feed.after(cursor, HEARTBEAT_SECONDS)
        except DatabaseUnavailableError:
            await asyncio.sleep(context_module.RETRY_SECONDS)
            continue
        for event in events or (None,):
            await context.stay(access.tenant_id)
            if event is not None:
                cursor = FeedCursor(cursor.epoch, event.seq)
            yield cursor, event


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
        cursor, _ = await resume(context, access, after)

        def change_of(event: Event | None, run: Run, seen: FeedCursor) -> OperationRunEvent:
            if event is not None:
                mark_committed_at(event.occurred_at)
            return OperationRunEvent(
                kind=event.kind if event else None,
                run=OperationRun.of(run, access, info),
                cursor=FEED.cursor(access.tenant_id, seen),
                occurred_at=event.occurred_at if event else run.observed_at,
            )

        async with context.cases.feeds.follow(access.tenant_id) as feed:
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
                    live = live_events(context, access, feed, resumed.cursor)
                    async with aclosing(live) as events:
                        async for seen, event in events:
                            if event is not None and event.run.id == run_id:
                                yield change_of(event, event.run, seen)
                                if event.run.is_terminal:
                                    return
                except FeedGapError:
                    cursor = None

    @strawberry.subscription(
        description="The runs of a filter. Sends a snapshot first or, with `after`, every event"
        " after that cursor; then each new event, in commit order and exactly once."
    )
    async def operation_runs(
        self,
        info: Info,
        tenant_id: Annotated[strawberry.ID, argument(description="The id of the tenant.")],
        filter: Filter = UNSET,  # noqa: A002
        after: Annotated[str | None, argument(description="Resume after this cursor.")] = UNSET,
    ) -> AsyncIterator[OperationRunFeedEvent]:
        context = info.context
        access, _ = await context.locate(tenant_id, "Tenant")
        within = await run_filter(filter, access, context)
        cursor, reason = await resume(context, access, after)
        async with context.cases.feeds.follow(access.tenant_id) as feed:
            while True:
                if cursor is None:
                    await context.stay(access.tenant_id)
                    snapshot = await context.cases.runs.snapshot(access, within, SNAPSHOT_RUNS)
                    cursor = snapshot.cursor
                    yield FeedReset(
                        reason=reason,
                        runs=[OperationRun.of(run, access, info) for run in snapshot.runs],
                        cursor=FEED.cursor(access.tenant_id, cursor),
                        occurred_at=datetime.now(UTC),
                    )
                try:
                    async with aclosing(live_events(context, access, feed, cursor)) as events:
                        sent_at = monotonic()
                        async for cursor, event in events:
                            change = event and _change(within, event)
                            if event and change:
                                mark_committed_at(event.occurred_at)
                                yield OperationRunChanged(
                                    change=change,
                                    run=OperationRun.of(event.run, access, info),
                                    cursor=FEED.cursor(access.tenant_id, cursor),
                                    occurred_at=event.occurred_at,
                                )
                            # Events outside the filter must still move the cursor on.
                            elif event is None or monotonic() - sent_at >= HEARTBEAT_SECONDS:
                                yield FeedHeartbeat(
                                    cursor=FEED.cursor(access.tenant_id, cursor),
                                    occurred_at=datetime.now(UTC),
                                )
                            else:
                                continue
                            sent_at = monotonic()
                except FeedGapError:
                    cursor, reason = None, FeedResetReason.CURSOR_EXPIRED


def _change(within: RunFilter, event: Event) -> FeedChange | None:
    matched = within.matches(event.run, event.previous_bucket)
    if within.matches(event.run, event.run.status_bucket):
        return FeedChange.UPDATED if matched else FeedChange.ENTERED
    return FeedChange.LEFT if matched else None
