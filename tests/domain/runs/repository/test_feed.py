"""A tenant's events have no gaps, come in commit order, and show the run of their moment."""

import asyncio
from typing import Any

import pytest

from domain.lifecycle import RunStatus, StatusBucket
from domain.runs.execution import RunExecution
from domain.runs.failures import FailureReason, ProducerError
from domain.runs.models import RunCounts, RunEvent, RunEventKind
from domain.runs.repository import feed, transitions
from opsrun.postgres.engines import Login
from tests.acts import take_over
from tests.ledger import ledger_faults, reload
from tests.runs import changed
from tests.world import World

WRITERS = 16
EVENTS_EACH = 6


async def work_through(execution: RunExecution) -> None:
    """Record four events after those of start and claim."""
    await execution.set_total(2)
    for key in "ab":
        async with execution.batch() as batch:
            batch.succeeded(key)
    await execution.finish()


async def read(world: World, seq: int, **more: Any) -> list[RunEvent]:
    """Return the events after `seq`."""
    api = world.resources[Login.API].transactions
    async with api.tenant(world.tenant_id) as session:
        return list(await feed.events_after(session, seq, limit=1000, **more))


async def test_a_reader_misses_no_event_of_sixteen_concurrent_writers(world: World) -> None:
    async def write() -> None:
        for _ in range(2):
            await work_through(await world.start_and_claim())

    total = WRITERS * 2 * EVENTS_EACH
    seen: list[int] = []

    async def follow() -> None:
        # A reader that remembers only the last number must not miss one that commits later.
        while len(seen) < total:
            seen.extend(event.seq for event in await read(world, seen[-1] if seen else 0))

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(follow())
        for _ in range(WRITERS):
            group.create_task(write())
    assert seen == list(range(1, total + 1))
    assert not await ledger_faults(world)


async def test_an_aborted_transaction_consumes_no_number(world: World) -> None:
    execution = await world.start_and_claim()
    with pytest.raises(ZeroDivisionError):
        async with execution.batch() as batch:
            assert await transitions.set_total(batch.session, execution.lease, 2)
            raise ZeroDivisionError
    await execution.finish()
    assert [event.seq for event in await read(world, 0)] == [1, 2, 3]


async def test_an_event_shows_the_run_at_its_moment(world: World) -> None:
    execution = await world.start_and_claim()
    await execution.set_total(3)
    async with execution.batch() as batch:
        batch.succeeded("a")
        batch.skipped("b", "Nothing to do.")
    execution = await take_over(world, execution)
    async with execution.batch() as batch:
        batch.failed("c", ProducerError(FailureReason.INVALID_JSON, "No JSON."))
    await execution.finish()

    events = await read(world, 0)
    queued, running, partial = (
        StatusBucket.QUEUED,
        StatusBucket.RUNNING,
        StatusBucket.PARTIALLY_SUCCEEDED,
    )
    assert [
        (event.kind, event.previous_bucket, event.run.status_bucket, event.run.counts)
        for event in events
    ] == [
        (RunEventKind.QUEUED, None, queued, RunCounts(None, 0, 0, 0)),
        (RunEventKind.STARTED, queued, running, RunCounts(None, 0, 0, 0)),
        (RunEventKind.PROGRESSED, running, running, RunCounts(3, 0, 0, 0)),
        (RunEventKind.PROGRESSED, running, running, RunCounts(3, 1, 0, 1)),
        (RunEventKind.REQUEUED, running, queued, RunCounts(3, 1, 0, 1)),
        (RunEventKind.STARTED, queued, running, RunCounts(3, 1, 0, 1)),
        (RunEventKind.PROGRESSED, running, running, RunCounts(3, 1, 1, 1)),
        (RunEventKind.FINISHED, running, partial, RunCounts(3, 1, 1, 1)),
    ]
    assert [event.run.version for event in events] == list(range(1, 9))
    assert [event.run.attempt for event in events] == [0, 1, 1, 1, 1, 2, 2, 2]
    assert [event.run.is_terminal for event in events] == [False] * 7 + [True]
    assert {event.run.status for event in events[:-1]} == {RunStatus.PENDING, RunStatus.RUNNING}
    last = events[-1].run
    assert last == changed(await reload(world, last.id), observed_at=last.observed_at)


async def test_the_events_of_one_run_can_be_read_alone(world: World) -> None:
    one, other = await world.start_and_claim(), await world.start_and_claim()
    await one.finish()
    await other.finish()
    alone = await read(world, 1, run_id=one.run.id)
    assert [event.kind for event in alone] == [RunEventKind.STARTED, RunEventKind.FINISHED]
    assert {event.run.id for event in alone} == {one.run.id}


async def test_a_position_never_goes_back(world: World) -> None:
    await world.start()
    transactions = world.resources[Login.MAINTENANCE].transactions
    for seq, expected in ((5, 5), (3, 5), (7, 7)):
        async with transactions.tenant(world.tenant_id) as session:
            await feed.raise_min_seq(session, seq)
            assert (await feed.position(session)).min_seq == expected
