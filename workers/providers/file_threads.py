"""Run the file operations of providers in threads, with a deadline."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import TypeVar

from domain.runs.failures import FailureReason, ProducerError
from workers.bounded_threads import BoundedThreads, ThreadsExhaustedError, ThreadTimeoutError

T = TypeVar("T")

# Seconds after which a file operation counts as hung; the settings may change it.
FILE_TIMEOUT_SECONDS = 30
# Seconds of work after which a cancelled sync can stop.
_SLICE_SECONDS = 0.2

# A sync holds at most this many bytes, and the file that exceeds them.
SLICE_BYTES = 1024 * 1024

FILE_THREADS = BoundedThreads(FILE_TIMEOUT_SECONDS)


async def in_file_thread(threads: BoundedThreads, root: Path, work: Callable[[], T]) -> T:
    """Return the result of `work`, which reads below the export folder `root`.

    Each folder has separate threads, so that a folder that hangs delays only its syncs.

    Raises:
        ProducerError: PROVIDER_UNAVAILABLE if the folder hangs.
    """
    try:
        return await threads.run(root, work)
    except ThreadTimeoutError:
        raise _hung(f"did not answer within {threads.seconds} seconds") from None
    except ThreadsExhaustedError:
        raise _hung("is not read, because earlier reads on this worker still hang") from None


async def in_slices(
    threads: BoundedThreads,
    root: Path,
    items: Iterator[T],
    weight: Callable[[T], int] = lambda _: 0,
) -> AsyncIterator[list[T]]:
    """Yield the items of an iterator that reads below `root`, in slices with a deadline each.

    A slice ends with the item that makes it weigh `SLICE_BYTES`, or after a fraction of a second.

    Raises:
        ProducerError: PROVIDER_UNAVAILABLE if the folder hangs; others come from the iterator.
    """
    while some := await in_file_thread(threads, root, lambda: _slice(items, weight)):
        yield some


def _slice(items: Iterator[T], weight: Callable[[T], int]) -> list[T]:
    taken: list[T] = []
    weighs, end = 0, monotonic() + _SLICE_SECONDS
    for item in items:
        taken.append(item)
        weighs += weight(item)
        if weighs >= SLICE_BYTES or monotonic() > end:
            break
    return taken


def _hung(how: str) -> ProducerError:
    return ProducerError(
        FailureReason.PROVIDER_UNAVAILABLE,
        f"The export folder {how}. Check that its mount works, then sync again.",
    )
