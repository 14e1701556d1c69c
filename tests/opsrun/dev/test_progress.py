"""The terminal shows every change of a run, but only the latest progress."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from domain.lifecycle import RunStatus
from domain.runs.models import OperationRun, RunEvent, RunEventKind
from domain.tenancy.models import SYSTEM
from domain.tenancy.session import DatabaseUnavailableError, Driver
from domain.tenancy.transactions import Transactions
from opsrun.dev.progress import all_events, findings_of, latest_progress_only, line
from opsrun.postgres.engines import Login
from tests.acts import drift, policy, sync, until
from tests.domain.runs.test_feed import LostWakeUps
from tests.runs import queued_run
from tests.world import World

ENDED = {RunStatus.COMPLETED, RunStatus.FAILED}
AT = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


def run(
    status: RunStatus = RunStatus.RUNNING, counts: tuple[int | None, ...] = (None, 0, 0, 0)
) -> OperationRun:
    total, succeeded, failed, skipped = counts
    return queued_run(
        id=uuid4(),
        status=status,
        total=total,
        succeeded=succeeded,
        failed=failed,
        skipped=skipped,
        initiator_id=SYSTEM.id,
        initiator_name=SYSTEM.name,
        attempt=1,
        created_at=AT,
        finished_at=AT if status in ENDED else None,
        observed_at=AT,
    )


def event(of: OperationRun, kind: RunEventKind, seq: int = 1) -> RunEvent:
    return RunEvent(seq, kind, of, None, AT)


# Lines


@pytest.mark.parametrize(
    ("example", "expected"),
    [
        (run(RunStatus.PENDING), "aurora      inventory.sync            QUEUED"),
        (run(), "aurora      inventory.sync            RUNNING"),
        (
            run(counts=(37, 20, 0, 0)),
            "aurora      inventory.sync            RUNNING              20 of 37 done",
        ),
        (
            run(counts=(None, 20, 0, 0)),
            "aurora      inventory.sync            RUNNING              20 done",
        ),
        (
            run(RunStatus.COMPLETED, (42, 37, 3, 2)),
            "aurora      inventory.sync            PARTIALLY_SUCCEEDED  "
            "37 of 42 succeeded, 3 failed, 2 skipped",
        ),
        (
            run(RunStatus.COMPLETED, (0, 0, 0, 0)),
            "aurora      inventory.sync            SUCCEEDED",
        ),
    ],
)
def test_a_line_shows_tenant_type_bucket_and_counts(example: OperationRun, expected: str) -> None:
    text = line("aurora", event(example, RunEventKind.PROGRESSED))
    assert text == f"{AT.astimezone():%H:%M:%S}  {expected}"


async def test_a_drift_run_shows_the_number_of_findings(world: World) -> None:
    maintenance = world.resources[Login.MAINTENANCE].transactions
    synced = await sync(world, policy("a", minutes=1), policy("gone"))
    await sync(world, policy("a", minutes=2), policy("b"), policy("c"))
    compared = await drift(world)
    again = await sync(world, policy("a", minutes=2), policy("b"), policy("c"))
    lines = [
        line("aurora", event(of, RunEventKind.FINISHED), await findings_of(maintenance, of))
        for of in (synced, compared, await drift(world))
    ]
    assert [text[46:] for text in lines] == [
        "  SUCCEEDED            2 of 2 succeeded",
        "  SUCCEEDED            1 modified, 2 added, 1 removed",
        "  SUCCEEDED            no changes",
    ]
    assert await findings_of(maintenance, again) is None


def test_only_the_latest_progress_is_shown() -> None:
    one, other = run(), run()
    events = [
        event(of, kind, seq)
        for seq, (of, kind) in enumerate(
            [
                (one, RunEventKind.QUEUED),
                (other, RunEventKind.PROGRESSED),
                (one, RunEventKind.STARTED),
                (one, RunEventKind.PROGRESSED),
                (other, RunEventKind.PROGRESSED),
                (one, RunEventKind.PROGRESSED),
                (one, RunEventKind.FINISHED),
            ]
        )
    ]
    assert [event.seq for event in latest_progress_only(events)] == [0, 2, 4, 6]


# Event stream of all runs


class Faltering(Transactions):
    """A database that is unavailable for the first read."""

    def __init__(self, transactions: Transactions) -> None:
        self._there = transactions
        self._away = True

    @asynccontextmanager
    async def _connection(self, key: UUID | None) -> AsyncIterator[Driver]:
        if self._away:
            self._away = False
            raise DatabaseUnavailableError("away")
        async with self._there._connection(key) as driver:
            yield driver


@pytest.mark.parametrize(
    ("wake_ups_arrive", "poll_seconds"), [(True, 3600), (False, 0.01)], ids=["woken", "polling"]
)
async def test_every_later_event_of_a_run_is_shown(
    world: World, monkeypatch: pytest.MonkeyPatch, *, wake_ups_arrive: bool, poll_seconds: float
) -> None:
    monkeypatch.setattr("opsrun.dev.progress._POLL_SECONDS", poll_seconds)
    resources = world.resources[Login.MAINTENANCE]
    wakeups = resources.wakeups if wake_ups_arrive else LostWakeUps()
    events: list[RunEvent] = []

    async def watch() -> None:
        transactions = Faltering(resources.transactions)
        async for slug, event in all_events(transactions, wakeups):
            if slug == world.slug:
                events.append(event)

    async def seen_or_again() -> bool:
        if not events:
            await world.start()
        return bool(events)

    before = await world.start()
    async with asyncio.timeout(20):
        watching = asyncio.create_task(watch())
        try:
            await until(seen_or_again)
            assert before.run.id not in {event.run.id for event in events}
            events.clear()
            finished = await sync(world, policy("a"), policy("b"))
            await until(lambda: has_ended(events))
        finally:
            watching.cancel()
            await asyncio.wait([watching])
    ours = [event for event in events if event.run.id == finished.id]
    assert ours[0].kind is RunEventKind.QUEUED
    assert ours[-1].kind is RunEventKind.FINISHED
    assert [event.seq for event in ours] == sorted({event.seq for event in ours})
    assert line(world.slug, ours[-1]).endswith(
        "inventory.sync            SUCCEEDED            2 of 2 succeeded"
    )


async def has_ended(events: list[RunEvent]) -> bool:
    return any(event.kind is RunEventKind.FINISHED for event in events)
