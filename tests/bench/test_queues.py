"""The wait for a queue to become empty."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.processes import WORKER, Server
from bench.work.queues import Queue
from opsrun.dev.embedded.child import spawn


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Callable[[str], Server]]:
    """Return a function that runs a program as a worker."""
    processes: list[Server] = []

    def run(program: str) -> Server:
        command = [sys.executable, "-c", program]
        child = spawn(WORKER, command, folder=tmp_path, log=tmp_path / "log")
        processes.append(Server(WORKER, 0, child))
        return processes[-1]

    yield run
    for each in processes:
        each.child.process.kill()
        each.child.process.wait()


def queue(*left: int) -> Queue:
    """Return a queue that has so many jobs left each time it is asked."""
    answers = iter(left)

    async def fill() -> None: ...

    async def next_answer() -> int:
        return next(answers)

    return Queue("queue", [WORKER], 10, fill, next_answer)


async def test_the_wait_ends_when_few_enough_jobs_are_left(
    process: Callable[[str], Server],
) -> None:
    assert await queue(10, 9, 4, 0).wait(5, [process("import time; time.sleep(60)")]) == 4


async def test_a_worker_that_ends_ends_the_benchmark(process: Callable[[str], Server]) -> None:
    with pytest.raises(RuntimeError, match="Opsrun's worker ended with code 3"):
        await queue(*[10] * 1000).wait(5, [process("raise SystemExit(3)")])
