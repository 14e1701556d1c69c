"""A run that waits for something outside keeps its lease, says why, and leaves its slot."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest
import pytest_asyncio

from domain.lifecycle import RunStatus, StatusBucket
from domain.runs import execution as execution_module
from domain.runs.execution import RunExecution
from domain.runs.models import RunEventKind, StartedRun
from domain.runs.repository.waiting import waiting_reasons
from tests.acts import lose_worker, relay, until, wait_for_end
from tests.ledger import ledger_faults, reload, timeline
from tests.workers.brokers import new_broker, receiving
from tests.workers.scripted import Blocked, Scripted, execute, executing, runner_of
from tests.world import World
from workers.runner import RunRunner
from workers.sending import sender
from workers.tasks import register_task

REASON = "Microsoft Graph limits requests."


class Pause:
    """Replaces the sleep of a wait: it lasts until the test ends it."""

    def __init__(self) -> None:
        self.begun, self.over = asyncio.Event(), asyncio.Event()

    async def __call__(self, _seconds: float) -> None:
        self.begun.set()
        await self.over.wait()


@pytest_asyncio.fixture
async def pause(monkeypatch: pytest.MonkeyPatch) -> Pause:
    replacement = Pause()
    monkeypatch.setattr(execution_module, "sleep", replacement)
    return replacement


async def wait_once(execution: RunExecution) -> None:
    await execution.wait(20, REASON)


async def reason(world: World, run_id: UUID) -> str | None:
    access = await world.access()
    return (await world.read(waiting_reasons, access, [run_id], share=0)).get(run_id)


@asynccontextmanager
async def waiting(
    runner: RunRunner, slots: asyncio.Semaphore, started: StartedRun, pause: Pause
) -> AsyncIterator[None]:
    """Execute the run in a slot, as the receiver does, until it waits."""
    async with asyncio.timeout(10):
        async with slots:
            await execute(runner, started)
        await pause.begun.wait()
        yield


async def test_a_waiting_run_says_why_and_leaves_its_slot(world: World, pause: Pause) -> None:
    slots = asyncio.Semaphore(1)
    started, other = await world.start(), await world.start()
    runner = runner_of(world, Scripted(wait_once), slots=slots)
    async with waiting(runner, slots, started, pause):
        assert (await reload(world, started.run.id)).status == RunStatus.RUNNING
        assert await reason(world, started.run.id) == REASON
        async with slots:
            await execute(world.runner, other)
        assert (await reload(world, other.run.id)).is_terminal
        pause.over.set()
        ended = await wait_for_end(world, started.run.id)
    assert ended.status_bucket is StatusBucket.SUCCEEDED
    assert await reason(world, started.run.id) is None
    assert await timeline(world, started.run.id) == [
        RunEventKind.QUEUED,
        RunEventKind.STARTED,
        RunEventKind.PROGRESSED,
        RunEventKind.PROGRESSED,
        RunEventKind.FINISHED,
    ]
    await until_free(slots)
    assert await ledger_faults(world) == []


async def until_free(slots: asyncio.Semaphore) -> None:
    """Wait for the slot, and show that it is the only one."""
    async with asyncio.timeout(10), slots:
        assert slots.locked()


async def test_a_run_goes_on_when_a_slot_is_free(world: World, pause: Pause) -> None:
    slots = asyncio.Semaphore(1)
    started, other = await world.start(), await world.start()
    runner = runner_of(world, Scripted(wait_once), slots=slots)
    blocked = Blocked()
    async with waiting(runner, slots, started, pause):
        async with slots, executing(runner_of(world, blocked), other, blocked):
            pause.over.set()
            # Many turns of the loop later, the run still waits for a slot.
            for _ in range(100):
                await asyncio.sleep(0)
            assert not (await reload(world, started.run.id)).is_terminal
            blocked.go_on.set()
        await wait_for_end(world, started.run.id)
    await until_free(slots)


async def test_several_tasks_of_a_run_wait_as_one(world: World, pause: Pause) -> None:
    async def work(execution: RunExecution) -> None:
        await asyncio.gather(execution.wait(20, REASON), execution.wait(30, "Another reason."))
        await execution.wait(1, "Too short to be shown.")

    slots = asyncio.Semaphore(1)
    started = await world.start()
    async with waiting(runner_of(world, Scripted(work), slots=slots), slots, started, pause):

        async def says_why() -> bool:
            return await reason(world, started.run.id) == REASON

        await until(says_why)
        pause.over.set()
        ended = await wait_for_end(world, started.run.id)
    assert (ended.version, ended.status_bucket) == (5, StatusBucket.SUCCEEDED)
    await until_free(slots)


async def test_a_stopping_worker_hands_a_waiting_run_back(world: World, pause: Pause) -> None:
    slots = asyncio.Semaphore(1)
    started = await world.start()
    runner = runner_of(world, Scripted(wait_once), slots=slots)
    async with waiting(runner, slots, started, pause):
        await runner.hand_back()
    run = await reload(world, started.run.id)
    assert (run.status, run.attempt) == (RunStatus.PENDING, 1)
    assert await reason(world, started.run.id) != REASON
    await until_free(slots)
    assert await ledger_faults(world) == []


async def test_a_waiting_run_that_lost_its_lease_writes_nothing(world: World, pause: Pause) -> None:
    slots = asyncio.Semaphore(1)
    started = await world.start()
    runner = runner_of(world, Scripted(wait_once), slots=slots)
    async with waiting(runner, slots, started, pause):
        await lose_worker(world, started.run.id)
        lost = await reload(world, started.run.id)
        assert await reason(world, started.run.id) != REASON
        pause.over.set()
        await until_free(slots)
        await runner.hand_back()
    assert (await reload(world, started.run.id)).version == lost.version


async def test_a_worker_with_one_slot_executes_others_while_a_run_waits(
    world: World, redis_url: str, pause: Pause
) -> None:
    began: list[UUID] = []

    async def work(execution: RunExecution) -> None:
        began.append(execution.run.id)
        if len(began) == 1:
            await wait_once(execution)

    slots = asyncio.Semaphore(1)
    async with new_broker(redis_url) as broker:
        register_task(broker, runner_of(world, Scripted(work), slots=slots))
        runs = [(await world.start()).run.id for _ in range(2)]
        async with receiving(broker, 1, slots):
            await relay(world, sender(broker))
            await wait_for_end(world, runs[1])
            assert not (await reload(world, runs[0])).is_terminal
            pause.over.set()
            await wait_for_end(world, runs[0])
    assert await ledger_faults(world) == []
