"""The lines in the terminal of `opsrun dev`: one for each event of a run, in all tenants."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from uuid import UUID

from domain.drift import repository as drift
from domain.drift.models import RUN_TYPE, Comparison, DriftKind
from domain.lifecycle import RunStatus
from domain.runs.models import OperationRun, RunEvent, RunEventKind
from domain.runs.repository import feed
from domain.tenancy import repository as tenancy
from domain.tenancy.session import DatabaseUnavailableError
from domain.tenancy.transactions import Transactions
from domain.wakeups import Waiter, WakeUps, feed_topic

_PAUSE_SECONDS = 0.3
# Finds new tenants, and events whose wake-up was lost.
_POLL_SECONDS = 2.0
_BATCH = 200

DriftCounts = Mapping[DriftKind, int]


async def all_events(
    transactions: Transactions, wakeups: WakeUps
) -> AsyncIterator[tuple[str, RunEvent]]:
    """Yield every new event of every tenant, with the tenant's slug; needs the maintenance login.

    Looks at most three times a second, and yields only the latest progress event of a run.
    """
    seen: dict[UUID, int] = {}
    waiters: list[Waiter] = []
    async with AsyncExitStack() as stack:
        while True:
            try:
                async with transactions.installation() as session:
                    slugs = await tenancy.tenant_slugs(session)
                    fresh: list[tuple[str, RunEvent]] = []
                    for tenant_id, slug in slugs.items():
                        tenant = session.within(tenant_id)
                        if tenant_id not in seen:
                            subscribed = wakeups.subscribe(feed_topic(tenant_id))
                            waiters.append(await stack.enter_async_context(subscribed))
                            seen[tenant_id] = (await feed.position(tenant)).seq
                        events = await feed.events_after(tenant, seen[tenant_id], limit=_BATCH)
                        fresh += [(slug, event) for event in latest_progress_only(events)]
                        if events:
                            seen[tenant_id] = events[-1].seq
            except DatabaseUnavailableError:
                fresh = []
            for slug, event in fresh:
                yield slug, event
            await asyncio.sleep(_PAUSE_SECONDS)
            await _first_wake_up(waiters)


async def _first_wake_up(waiters: Sequence[Waiter]) -> None:
    """Wait for a wake-up of any waiter, at most `_POLL_SECONDS`."""
    waiting = [asyncio.create_task(waiter.wait(_POLL_SECONDS)) for waiter in waiters]
    try:
        if waiting:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()


def latest_progress_only(events: Sequence[RunEvent]) -> list[RunEvent]:
    """Return the events without progress events that another event of the same run follows."""
    last = {event.run.id: event.seq for event in events}
    return [
        event
        for event in events
        if event.kind is not RunEventKind.PROGRESSED or event.seq == last[event.run.id]
    ]


async def findings_of(transactions: Transactions, run: OperationRun) -> DriftCounts | None:
    """Return the number of findings by kind; None unless the run is a completed drift run."""
    if run.run_type != RUN_TYPE or run.status is not RunStatus.COMPLETED:
        return None
    comparison = Comparison.of_context(run.context)
    async with transactions.tenant(run.tenant_id) as session:
        return (await drift.counts(session, [comparison])).get(comparison, {})


def line(slug: str, event: RunEvent, findings: DriftCounts | None = None) -> str:
    """Return one line about an event, in the terminal's time zone."""
    run = event.run
    result = _items(run) if findings is None else _summary(findings)
    return (
        f"{event.occurred_at.astimezone():%H:%M:%S}  {slug:<10}  {run.run_type:<24}"
        f"  {run.status_bucket:<19}  {result}"
    ).rstrip()


def _summary(findings: DriftCounts) -> str:
    """Return `5 modified, 3 added, 2 removed`, or `no changes`."""
    kinds = (DriftKind.MODIFIED, DriftKind.ADDED, DriftKind.REMOVED)
    parts = [f"{findings[kind]} {kind.lower()}" for kind in kinds if findings.get(kind)]
    return ", ".join(parts) or "no changes"


def _items(run: OperationRun) -> str:
    """Return `20 of 42 done, 1 failed`; at the end `39 of 42 succeeded, 3 failed`."""
    counts = run.counts
    if not counts.processed and not counts.total:
        return ""
    total = "" if counts.total is None else f" of {counts.total}"
    if run.is_terminal:
        text = f"{counts.succeeded}{total} succeeded"
    else:
        text = f"{counts.processed}{total} done"
    text += f", {counts.failed} failed" if counts.failed else ""
    return text + (f", {counts.skipped} skipped" if counts.skipped else "")
