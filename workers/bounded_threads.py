"""Bounded threads for calls that may never return, with a deadline and without a join at exit.

asyncio's default executor has a few threads for everything, and the interpreter joins them before
it exits: one dead mount would stop every tenant, and the process would not end.
"""

import asyncio
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable, Hashable
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")

THREADS_PER_GROUP = 4
MAX_ABANDONED_THREADS = 64


class ThreadTimeoutError(Exception):
    """A call did not return in time, or waited too long for a thread."""


class ThreadsExhaustedError(Exception):
    """Abandoned calls occupy all threads."""


@dataclass(slots=True)
class _Group:
    """Calls that share a bound, such as all calls for one export folder."""

    free: asyncio.Semaphore
    calls: int = 0
    abandoned: int = 0


@dataclass(slots=True)
class _Call:
    """A running call, and the future that its caller waits for."""

    group: Hashable
    done: Future[Any]
    loop: AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    is_abandoned: bool = False


class BoundedThreads:
    """Daemon threads, a few for each group of calls.

    A call that misses its deadline, or whose task is cancelled, is abandoned: it keeps its thread
    until it returns. A group without a thread left raises at once.
    """

    def __init__(
        self,
        seconds: float | None,
        *,
        per_group: int = THREADS_PER_GROUP,
        max_abandoned: int = MAX_ABANDONED_THREADS,
    ) -> None:
        """Give each call `seconds` to run, and as long to wait for a thread.

        None suits calls that always end: they wait for a thread without a limit.
        """
        self.seconds = seconds
        self._per_group = per_group
        self._max_abandoned = max_abandoned
        self._groups: dict[Hashable, _Group] = {}
        self._idle: list[SimpleQueue[Callable[[], None]]] = []

    @property
    def abandoned(self) -> int:
        """The number of abandoned calls that have not returned."""
        return sum(group.abandoned for group in self._groups.values())

    def require_threads(self) -> None:
        """Raise ThreadsExhaustedError if abandoned calls occupy all threads of the process."""
        if self.abandoned >= self._max_abandoned:
            raise ThreadsExhaustedError

    def require_none_abandoned(self) -> None:
        """Raise ThreadTimeoutError while an abandoned call has not returned."""
        if self.abandoned:
            raise ThreadTimeoutError

    async def run(self, group: Hashable, work: Callable[[], T]) -> T:
        """Call `work` in a thread of the group; return its result or raise its exception.

        Raises:
            ThreadTimeoutError: the call, or its wait for a thread, missed the deadline.
            ThreadsExhaustedError: the group, or the process, has no thread left.
        """
        if self.seconds is not None:
            self.require_threads()
        shared = self._groups.setdefault(group, _Group(asyncio.Semaphore(self._per_group)))
        shared.calls += 1
        try:
            await self._wait_for_thread(shared)
        except BaseException:
            self._leave(group)
            raise
        return await self._run(_Call(group, asyncio.get_running_loop().create_future()), work)

    async def _wait_for_thread(self, group: _Group) -> None:
        if self.seconds is not None and group.abandoned >= self._per_group:
            raise ThreadsExhaustedError
        try:
            async with asyncio.timeout(self.seconds):
                await group.free.acquire()
        except TimeoutError:
            raise ThreadTimeoutError from None

    async def _run(self, call: _Call, work: Callable[[], T]) -> T:
        thread = self._idle.pop() if self._idle else _start_thread()
        context = copy_context()
        thread.put(lambda: self._execute(call, thread, lambda: context.run(work)))
        try:
            await asyncio.wait([call.done], timeout=self.seconds)
        finally:
            if not call.done.done():
                call.is_abandoned = True
                self._groups[call.group].abandoned += 1
        if call.is_abandoned:
            raise ThreadTimeoutError
        result: T = call.done.result()
        return result

    def _execute(
        self, call: _Call, thread: SimpleQueue[Callable[[], None]], work: Callable[[], Any]
    ) -> None:
        """Run the work; this is the only method that runs in a thread."""
        result, error = None, None
        try:
            result = work()
        except BaseException as raised:  # noqa: BLE001 - the caller gets it
            error = raised
        # After the loop has closed, no caller waits.
        with suppress(RuntimeError):
            call.loop.call_soon_threadsafe(self._finish, call, thread, result, error)

    def _finish(
        self,
        call: _Call,
        thread: SimpleQueue[Callable[[], None]],
        result: Any,
        error: BaseException | None,
    ) -> None:
        group = self._groups[call.group]
        group.abandoned -= call.is_abandoned
        group.free.release()
        self._leave(call.group)
        self._idle.append(thread)
        if call.is_abandoned:
            return
        if error is None:
            call.done.set_result(result)
        else:
            call.done.set_exception(error)

    def _leave(self, key: Hashable) -> None:
        group = self._groups[key]
        group.calls -= 1
        if not group.calls:
            del self._groups[key]


def _start_thread() -> SimpleQueue[Callable[[], None]]:
    calls: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def serve() -> None:
        while True:
            calls.get()()

    Thread(target=serve, daemon=True, name="opsrun-bounded").start()
    return calls
