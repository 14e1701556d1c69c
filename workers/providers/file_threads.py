"""Every file operation of the providers: in a thread, with a deadline, on a generator's items."""

from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import TypeVar

from domain.runs.failures import FailureReason, ProducerError
from workers.bounded_threads import BoundedThreads, ThreadsExhaustedError, ThreadTimeoutError

T = TypeVar("T")

# Seconds after which a file operation counts as hung; processes set it from their settings.
FILE_TIMEOUT_SECONDS = 30
# Seconds of work between two moments at which a cancelled sync can stop.
_SLICE_SECONDS = 0.2

FILE_THREADS = BoundedThreads(FILE_TIMEOUT_SECONDS)


async def in_file_thread(threads: BoundedThreads, root: Path, work: Callable[[], T]) -> T:
    """Return what `work` returns, which reads below the export folder `root`.

    Folders share no threads, so that one that hangs delays only its own syncs.

    Raises:
        ProducerError: PROVIDER_UNAVAILABLE when the folder hangs.
    """
    try:
        return await threads.run(root, work)
    except ThreadTimeoutError:
        raise _hung(f"did not answer within {threads.seconds} seconds") from None
    except ThreadsExhaustedError:
        raise _hung("is not read, because earlier reads on this worker still hang") from None


async def in_slices(threads: BoundedThreads, root: Path, items: Iterator[T]) -> list[T]:
    """Return all items of an iterator that reads below `root`, each slice with its own deadline.

    Raises:
        ProducerError: PROVIDER_UNAVAILABLE when the folder hangs; else what the iterator raises.
    """
    taken: list[T] = []
    while some := await in_file_thread(threads, root, lambda: _slice(items)):
        taken += some
    return taken


def _slice(items: Iterator[T]) -> list[T]:
    taken: list[T] = []
    end = monotonic() + _SLICE_SECONDS
    for item in items:
        taken.append(item)
        if monotonic() > end:
            break
    return taken


def _hung(how: str) -> ProducerError:
    return ProducerError(
        FailureReason.PROVIDER_UNAVAILABLE,
        f"The export folder {how}. Check that its mount works, then sync again.",
    )
