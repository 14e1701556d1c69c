"""Calls that never return occupy the threads of their group alone."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextvars import ContextVar

import pytest

from workers.bounded_threads import BoundedThreads, ThreadsExhaustedError, ThreadTimeoutError


@pytest.fixture
async def go_on() -> AsyncIterator[threading.Event]:
    """The event that hanging calls wait for; it is set at the end, so that no thread is left."""
    event = threading.Event()
    yield event
    event.set()


async def hang(threads: BoundedThreads, group: str, go_on: threading.Event) -> None:
    with pytest.raises(ThreadTimeoutError):
        await threads.run(group, go_on.wait)


async def hanging(threads: BoundedThreads, go_on: threading.Event) -> asyncio.Task[bool]:
    """Return a call of group `a` that hangs in its thread."""
    began = threading.Event()

    def block() -> bool:
        began.set()
        return go_on.wait()

    call = asyncio.create_task(threads.run("a", block))
    assert await threads.run("b", lambda: began.wait(10))
    return call


async def wait_for_abandoned(threads: BoundedThreads) -> None:
    """Wait until every abandoned call has returned."""
    async with asyncio.timeout(10):
        while threads.abandoned:  # noqa: ASYNC110 - no event reports it
            await asyncio.sleep(0)


async def test_results_errors_and_context_come_through() -> None:
    threads, name = BoundedThreads(10), ContextVar("name", default="")
    name.set("sync")
    assert await threads.run("a", name.get) == "sync"
    with pytest.raises(TimeoutError, match="of the call"):
        await threads.run("a", lambda: (_ for _ in ()).throw(TimeoutError("of the call")))


async def test_calls_that_follow_each_other_use_one_thread() -> None:
    threads = BoundedThreads(10)
    assert len({await threads.run("a", threading.get_ident) for _ in range(50)}) == 1


async def test_a_group_has_a_few_threads_and_further_calls_wait(go_on: threading.Event) -> None:
    threads, running = BoundedThreads(10, per_group=2), threading.Semaphore(0)

    def block() -> bool:
        running.release()
        return go_on.wait()

    calls = [asyncio.create_task(threads.run("a", block)) for _ in range(5)]
    assert await threads.run("b", lambda: [running.acquire() for _ in range(2)]) == [True, True]
    assert not running.acquire(blocking=False), "a third call of the group runs"
    go_on.set()
    assert await asyncio.gather(*calls) == [True] * 5


async def test_a_group_that_hangs_is_refused_at_once_until_its_calls_return(
    go_on: threading.Event,
) -> None:
    threads = BoundedThreads(0.05, per_group=2)
    # The third waits for a thread and never gets one.
    await asyncio.gather(*(hang(threads, "dead", go_on) for _ in range(3)))
    assert threads.abandoned == 2
    with pytest.raises(ThreadTimeoutError):
        threads.require_none_abandoned()
    with pytest.raises(ThreadsExhaustedError):
        await threads.run("dead", pytest.fail)
    assert await threads.run("alive", lambda: 1) == 1
    go_on.set()
    await wait_for_abandoned(threads)
    assert await threads.run("dead", lambda: 2) == 2
    threads.require_none_abandoned()


async def test_the_process_has_a_bound_as_well(go_on: threading.Event) -> None:
    threads = BoundedThreads(0.05, per_group=2, max_abandoned=4)
    await asyncio.gather(*(hang(threads, group, go_on) for group in "aabb"))
    with pytest.raises(ThreadsExhaustedError):
        threads.require_threads()
    with pytest.raises(ThreadsExhaustedError):
        await threads.run("c", pytest.fail)
    go_on.set()
    await wait_for_abandoned(threads)
    threads.require_threads()


async def test_a_cancelled_call_keeps_its_thread_until_it_returns(go_on: threading.Event) -> None:
    threads = BoundedThreads(10, per_group=1)
    call = await hanging(threads, go_on)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert threads.abandoned == 1
    go_on.set()
    await wait_for_abandoned(threads)
    assert await threads.run("a", lambda: 1) == 1


async def test_without_a_deadline_calls_wait_for_their_turn(go_on: threading.Event) -> None:
    threads = BoundedThreads(None, per_group=1)
    first = await hanging(threads, go_on)
    first.cancel()
    await asyncio.wait([first])
    second = asyncio.create_task(threads.run("a", lambda: 2))
    go_on.set()
    assert await second == 2


def test_the_process_exits_while_calls_hang() -> None:
    code = """
import asyncio, threading
from workers.bounded_threads import BoundedThreads, ThreadTimeoutError
async def main():
    try:
        await BoundedThreads(0.05).run("a", threading.Event().wait)
    except ThreadTimeoutError:
        print("abandoned")
asyncio.run(main())
"""
    process = subprocess.run(  # noqa: S603 - the test's program
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True
    )
    assert (process.stdout, process.stderr) == ("abandoned\n", "")
