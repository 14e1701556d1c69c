"""Callers share a read, but never get a value that was read before their call."""

import asyncio

import pytest

from domain.concurrency.shared_reads import SharedReads


class Source:
    """Counts its reads; each one waits for `go`."""

    def __init__(self) -> None:
        self.value = "old"
        self.reads = 0
        self.go = asyncio.Event()

    async def read(self, key: str) -> str:
        self.reads += 1
        value = f"{key}: {self.value}"
        await self.go.wait()
        return value


async def start_gets(reads: SharedReads[str, str], *keys: str) -> list[asyncio.Task[str]]:
    tasks = [asyncio.create_task(reads.get(key)) for key in keys]
    for _ in range(5):
        await asyncio.sleep(0)
    return tasks


async def test_concurrent_callers_share_a_read() -> None:
    source = Source()
    reads = SharedReads(source.read)
    tasks = await start_gets(reads, "a", "a", "b", "a")
    # All callers of "a" came before its read began.
    assert source.reads == 2
    source.go.set()
    assert await asyncio.gather(*tasks) == ["a: old", "a: old", "b: old", "a: old"]


async def test_a_caller_never_gets_a_value_read_before_the_call() -> None:
    source = Source()
    reads = SharedReads(source.read)
    first = await start_gets(reads, "a")
    source.value = "new"
    later = await start_gets(reads, "a", "a")
    source.go.set()
    assert [await task for task in first] == ["a: old"]
    assert [await task for task in later] == ["a: new", "a: new"]
    assert source.reads == 2


async def test_a_caller_may_accept_a_value_up_to_an_age() -> None:
    source = Source()
    source.go.set()
    reads = SharedReads(source.read)
    assert await reads.get("a", max_age=60) == "a: old"
    source.value = "new"
    assert await reads.get("a", max_age=60) == "a: old"
    assert await reads.get("a") == "a: new"
    assert await reads.get("a", max_age=60) == "a: new"


async def test_a_cancelled_caller_does_not_cancel_the_read_of_the_others() -> None:
    source = Source()
    reads = SharedReads(source.read)
    leaving, staying = await start_gets(reads, "a", "a")
    leaving.cancel()
    source.go.set()
    assert await staying == "a: old"
    with pytest.raises(asyncio.CancelledError):
        await leaving


async def test_a_failure_reaches_all_callers_who_share_the_read_and_no_later_one() -> None:
    fails = True

    async def read(key: str) -> str:
        await asyncio.sleep(0)
        if fails:
            raise ConnectionError
        return key

    reads = SharedReads(read)
    results = await asyncio.gather(*(reads.get("a") for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [ConnectionError] * 3
    fails = False
    assert await reads.get("a", max_age=60) == "a"
