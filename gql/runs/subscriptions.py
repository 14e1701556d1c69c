"""Live runs: a snapshot or the events since a cursor, then every event in commit order (H3)."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Annotated, Union
from uuid import UUID

import strawberry
from strawberry import UNSET

from domain.errors import NotFoundError
from domain.runs.feed import FeedCursor, FeedGapError, TenantFeed
from domain.runs.models import OperationRun as Run
from domain.runs.models import RunEvent as Event
from domain.runs.models import RunEventKind, RunFilter
from domain.tenancy.models import TenantAccess
from domain.tenancy.transactions import DatabaseUnavailableError
from gql import context as context_module
from gql.context import Context, Info
from gql.enums import FeedChange, FeedResetReason
from gql.limits.cost import MEMBERS
from gql.observation import mark_committed_at
from gql.pages import Cursor, cursor_number
from gql.runs.filters import run_filter
from gql.runs.queries import Filter
from gql.runs.types import OperationRun

# Quiet streams look up this often: to send a heartbeat and to check roles and tokens anew (T4).
HEARTBEAT_SECONDS = 15.0
SNAPSHOT_RUNS = 50
_KIND = "feed"


@strawberry.type(description="A run entered, changed or left what the subscription filters.")
class OperationRunChanged:
    """One event of the feed."""

    change: FeedChange = strawberry.field(description="How it moved.")
    run: OperationRun = strawberry.field(description="The run right after the event.")
    cursor: str = strawberry.field(description="Pass it as `after` to continue behind this event.")
    occurred_at: datetime = strawberry.field(description="When.")


@strawberry.type(
    description="Start over: replace all runs you hold by these. Comes first when subscribing"
    " without a cursor, and instead of a gap when a cursor is of no use any more."
)
class FeedReset:
    """A snapshot with its cursor."""

    reason: FeedResetReason = strawberry.field(description="Why.")
    runs: list[OperationRun] = strawberry.field(
        description="The newest runs of the filter, at most 50; page on with `operationRuns`.",
        metadata={MEMBERS: SNAPSHOT_RUNS},
    )
    cursor: str = strawberry.field(description="Pass it as `after` to continue from here.")
    occurred_at: datetime = strawberry.field(description="When the snapshot was taken.")


@strawberry.type(description="Nothing of the filter happened for a while; the feed is alive.")
class FeedHeartbeat:
    """Moves the cursor on while nothing matches."""

    cursor: str = strawberry.field(description="Pass it as `after` to continue from here.")
    occurred_at: datetime = strawberry.field(description="When.")


OperationRunFeedEvent = Annotated[
    Union[OperationRunChanged, FeedReset, FeedHeartbeat],  # noqa: UP007
    strawberry.union("OperationRunFeedEvent", description="What a list subscription sends."),
]


@strawberry.type(description="The state of one run after one of its events, or a snapshot of it.")
class OperationRunEvent:
    """What the subscription to one run sends."""

    kind: RunEventKind | None = strawberry.field(
        description="What happened; null for a snapshot, which replaces what you hold."
    )
    run: OperationRun = strawberry.field(description="The run right after.")
    cursor: str = strawberry.field(description="Pass it as `after` to continue behind this event.")
    occurred_at: datetime = strawberry.field(description="When.")


@dataclass(slots=True)
class Resumption:
    """Where a stream begins: behind a cursor, or with a snapshot for a reason."""

    cursor: FeedCursor | None
    reason: FeedResetReason = FeedResetReason.SUBSCRIBED


async def resume(context: Context, access: TenantAccess, after: str | None) -> Resumption:
    """Read a feed cursor, the one given or that of the last event that the client had.

    One of another feed is no error, but leads to a snapshot.

    Raises:
        BadInputError: no cursor at all. ForbiddenError: that of a tenant without membership.
    """
    after = after or context.request.last_event_id
    if not after:
        return Resumption(None)
    cursor = Cursor.decode(after)
    await context.enter(cursor.tenant_id)
    if (cursor.kind, cursor.tenant_id) != (_KIND, access.tenant_id):
        return Resumption(None, FeedResetReason.CURSOR_FOREIGN)
    epoch, seq = await context.place(after, _KIND, access.tenant_id, _epoch, cursor_number(63))
    position = await context.cases.runs.position(access)
    if epoch != position.epoch or seq > position.seq:
        return Resumption(None, FeedResetReason.CURSOR_FOREIGN)
    return Resumption(FeedCursor(epoch, seq))


def _epoch(value: object) -> UUID:
    return UUID(hex=str(value))


def feed_cursor(access: TenantAccess, cursor: FeedCursor) -> str:
    """Return the cursor as clients see it."""
    return Cursor(_KIND, access.tenant_id, (cursor.epoch.hex, cursor.seq)).encode()


async def live_events(
    context: Context, access: TenantAccess, feed: TenantFeed, cursor: FeedCursor
) -> AsyncGenerator[tuple[FeedCursor, Event | None], None]:
    """Yield every event behind the cursor for ever, and None in between when it is quiet.

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
    """The subscriptions about runs."""

    @strawberry.subscription(
        description="One run, until it has ended: first a snapshot or, with `after`, every event"
        " since; then each event. Completes after the terminal event."
    )
    async def operation_run(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The run.")],  # noqa: A002
        after: Annotated[
            str | None, strawberry.argument(description="Continue behind this cursor.")
        ] = UNSET,
    ) -> AsyncIterator[OperationRunEvent]:
        context = info.context
        access, located = await context.locate(id, "OperationRun")
        run_id = located.uuid_key()
        cursor = (await resume(context, access, after)).cursor

        def told(event: Event | None, run: Run, seen: FeedCursor) -> OperationRunEvent:
            if event is not None:
                mark_committed_at(event.occurred_at)
            return OperationRunEvent(
                kind=event.kind if event else None,
                run=OperationRun.of(run, access, info),
                cursor=feed_cursor(access, seen),
                occurred_at=event.occurred_at if event else run.observed_at,
            )

        async with context.cases.feeds.follow(access.tenant_id) as feed:
            while True:
                await context.stay(access.tenant_id)
                resumed = await context.cases.runs.resume_run(access, run_id, cursor)
                if resumed is None:
                    raise NotFoundError("There is no such run.")
                for past in resumed.missed or ():
                    await context.stay(access.tenant_id)
                    yield told(past, past.run, FeedCursor(resumed.cursor.epoch, past.seq))
                if resumed.missed is None or (not resumed.missed and resumed.run.is_terminal):
                    yield told(None, resumed.run, resumed.cursor)
                if resumed.run.is_terminal:
                    return
                try:
                    live = live_events(context, access, feed, resumed.cursor)
                    async with aclosing(live) as events:
                        async for seen, event in events:
                            if event is not None and event.run.id == run_id:
                                yield told(event, event.run, seen)
                                if event.run.is_terminal:
                                    return
                except FeedGapError:
                    cursor = None

    @strawberry.subscription(
        description="The list: first a snapshot or, with `after`, every event since; then each"
        " event of the filter in commit order, none lost and none twice."
    )
    async def operation_runs(
        self,
        info: Info,
        tenant_id: Annotated[strawberry.ID, strawberry.argument(description="The tenant.")],
        filter: Filter = UNSET,  # noqa: A002
        after: Annotated[
            str | None, strawberry.argument(description="Continue behind this cursor.")
        ] = UNSET,
    ) -> AsyncIterator[OperationRunFeedEvent]:
        context = info.context
        access, _ = await context.locate(tenant_id, "Tenant")
        wanted = await run_filter(filter, access, context)
        start = await resume(context, access, after)
        cursor, reason = start.cursor, start.reason
        async with context.cases.feeds.follow(access.tenant_id) as feed:
            while True:
                if cursor is None:
                    await context.stay(access.tenant_id)
                    snapshot = await context.cases.runs.snapshot(access, wanted, SNAPSHOT_RUNS)
                    cursor = snapshot.cursor
                    yield FeedReset(
                        reason=reason,
                        runs=[OperationRun.of(run, access, info) for run in snapshot.runs],
                        cursor=feed_cursor(access, cursor),
                        occurred_at=datetime.now(UTC),
                    )
                try:
                    async with aclosing(live_events(context, access, feed, cursor)) as events:
                        told_at = monotonic()
                        async for cursor, event in events:
                            change = event and _change(wanted, event)
                            if event and change:
                                mark_committed_at(event.occurred_at)
                                yield OperationRunChanged(
                                    change=change,
                                    run=OperationRun.of(event.run, access, info),
                                    cursor=feed_cursor(access, cursor),
                                    occurred_at=event.occurred_at,
                                )
                            # Events of others must not keep our cursor where it is.
                            elif event is None or monotonic() - told_at >= HEARTBEAT_SECONDS:
                                yield FeedHeartbeat(
                                    cursor=feed_cursor(access, cursor),
                                    occurred_at=datetime.now(UTC),
                                )
                            else:
                                continue
                            told_at = monotonic()
                except FeedGapError:
                    cursor, reason = None, FeedResetReason.CURSOR_EXPIRED


def _change(wanted: RunFilter, event: Event) -> FeedChange | None:
    matched = wanted.matches(event.run, event.previous_bucket)
    if wanted.matches(event.run, event.run.status_bucket):
        return FeedChange.UPDATED if matched else FeedChange.ENTERED
    return FeedChange.LEFT if matched else None
