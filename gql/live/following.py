"""A tenant's events as one subscriber receives them."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from dataclasses import replace
from uuid import UUID

from domain.runs.feed import FeedGapError, TenantFeed
from domain.runs.models import FeedCursor, RunEvent
from domain.tenancy.models import TenantAccess
from domain.tenancy.session import DatabaseUnavailableError
from gql import context as context_module
from gql.context import Context

# Seconds after which a quiet stream sends a heartbeat and checks role and token again.
HEARTBEAT_SECONDS = 15.0
# Seconds for which `latest_events` collects events, and the number that it collects at most.
LATEST_SECONDS = 1.0
_MOST_EVENTS = 1_000

Events = AsyncGenerator[tuple[FeedCursor, RunEvent | None], None]


async def live_events(
    context: Context, access: TenantAccess, feed: TenantFeed, cursor: FeedCursor
) -> Events:
    """Yield every event after the cursor without end, and None whenever the feed is quiet.

    While another subscriber of its group reads in its place, it yields nothing.

    Raises:
        FeedGapError: take a new snapshot.
        UnauthenticatedError, ForbiddenError: the caller lost the right to see more.
    """
    subscriber = context.subscriber()
    while True:
        cursor = await subscriber.wait(feed, cursor)
        try:
            events = await _events(context, access, feed, cursor)
        except FeedGapError:
            subscriber.lose_place()
            raise
        for event in events or (None,):
            if event is not None:
                cursor = FeedCursor(cursor.epoch, event.seq)
            yield cursor, event
            if subscriber.may_wait(cursor):
                break


async def read_events(
    context: Context, access: TenantAccess, feed: TenantFeed, cursor: FeedCursor
) -> Events:
    """Yield the same as `live_events`, but always read the feed for this subscriber alone."""
    while True:
        for event in await _events(context, access, feed, cursor) or (None,):
            if event is not None:
                cursor = FeedCursor(cursor.epoch, event.seq)
            yield cursor, event


async def latest_events(
    context: Context, access: TenantAccess, feed: TenantFeed, cursor: FeedCursor
) -> Events:
    """Yield the latest event of each run, about once in `LATEST_SECONDS`; see `read_events`."""
    while True:
        events = await _events(context, access, feed, cursor)
        if events:
            await asyncio.sleep(LATEST_SECONDS)
            events = _latest(await _more(feed, events, cursor.epoch))
            await context.stay(access.tenant_id)
        for event in events or (None,):
            if event is not None:
                cursor = FeedCursor(cursor.epoch, event.seq)
            yield cursor, event


async def _events(
    context: Context, access: TenantAccess, feed: TenantFeed, cursor: FeedCursor
) -> Sequence[RunEvent]:
    while True:
        try:
            events = await feed.after(cursor, HEARTBEAT_SECONDS)
        except DatabaseUnavailableError:
            await asyncio.sleep(context_module.RETRY_SECONDS)
        else:
            context.subscriber().check_group(HEARTBEAT_SECONDS)
            await context.stay(access.tenant_id)
            return events


async def _more(feed: TenantFeed, events: Sequence[RunEvent], epoch: UUID) -> Sequence[RunEvent]:
    """Return the events with those that followed; only some, if there are very many."""
    with suppress(DatabaseUnavailableError, FeedGapError):
        while len(events) < _MOST_EVENTS:
            end = FeedCursor(epoch, events[-1].seq)
            if not feed.is_behind(end):
                break
            events = [*events, *await feed.after(end, HEARTBEAT_SECONDS)]
    return events


def _latest(events: Sequence[RunEvent]) -> Sequence[RunEvent]:
    """Return the last event of each run in order, each as a change since the run's first."""
    first: dict[UUID, RunEvent] = {}
    last: dict[UUID, RunEvent] = {}
    for event in events:
        first.setdefault(event.run.id, event)
        last.pop(event.run.id, None)
        last[event.run.id] = event
    return [
        replace(event, previous_bucket=first[event.run.id].previous_bucket)
        for event in last.values()
    ]
