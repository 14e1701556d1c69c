"""HTTP load: each connection sends its next request as soon as it has an answer."""

import asyncio
from collections.abc import Iterator, Sequence
from statistics import median, quantiles
from time import perf_counter, process_time
from typing import Any, cast

from bench.load.process import serve

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length:"
# Seconds until an answer counts as missing.
_PATIENCE = 30.0
# Seconds that many requests may take together.
_SENDING_SECONDS = 120.0


class Connection(asyncio.Protocol):
    """A connection that sends requests one by one; `answered` is at the end its last answer.

    An answer that is not a 200 or contains errors ends it with an exception.
    """

    _transport: asyncio.Transport

    def __init__(self, requests: Iterator[bytes]) -> None:
        self.answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.seconds: list[float] = []
        self._requests = requests
        self._received = bytearray()
        self._length = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._length:
            self._length = _answer_length(self._received)
        if not self._length or len(self._received) < self._length:
            return
        self.seconds.append(perf_counter() - self._sent_at)
        if not self._received.startswith(b"HTTP/1.1 200") or b'"errors"' in self._received:
            self._fail(f"Not a good answer: {bytes(self._received[:1000])!r}")
        else:
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.answered.done():
            self._fail(f"The connection was lost: {exc or 'the server closed it'}.")

    def _send(self) -> None:
        """Send the next request; without one, the last answer is the result."""
        request = next(self._requests, None)
        if request is None:
            self.answered.set_result(bytes(self._received.partition(_HEAD_END)[2]))
            self._transport.close()
            return
        self._received.clear()
        self._length = 0
        self._sent_at = perf_counter()
        self._transport.write(request)

    def _fail(self, problem: str) -> None:
        self.answered.set_exception(RuntimeError(problem))
        self._transport.close()


def _answer_length(received: bytearray) -> int:
    """Return the length of the whole answer; 0 while its head is incomplete."""
    end = received.find(_HEAD_END)
    if end < 0:
        return 0
    head = received[:end].lower()
    start = head.find(_LENGTH)
    if start < 0:
        raise RuntimeError(f"An answer without Content-Length: {bytes(head)!r}")
    return end + len(_HEAD_END) + int(head[start + len(_LENGTH) :].split(b"\r\n", 1)[0])


async def run(port: int, requests: list[str], seconds: float) -> dict[str, Any]:
    """Repeat each request on a separate connection for some seconds."""
    until = perf_counter() + seconds
    connections = [Connection(_repeated(request.encode(), until)) for request in requests]
    return await _load(port, connections, seconds)


def _repeated(request: bytes, until: float) -> Iterator[bytes]:
    yield request
    while perf_counter() < until:
        yield request


async def send(port: int, requests: list[str], connections: int) -> dict[str, Any]:
    """Send each request once; each connection takes the next one when it has an answer."""
    remaining = iter([request.encode() for request in requests])
    return await _load(port, [Connection(remaining) for _ in range(connections)], _SENDING_SECONDS)


async def _load(port: int, connections: Sequence[Connection], seconds: float) -> dict[str, Any]:
    """Wait for the connections' last answers; return the figures of all answers."""
    connect = asyncio.get_running_loop().create_connection
    began, cpu = perf_counter(), process_time()
    for connection in connections:
        await connect(lambda each=connection: each, "127.0.0.1", port)  # type: ignore[misc]
    async with asyncio.timeout(seconds + _PATIENCE):
        for connection in connections:
            await connection.answered
    elapsed = perf_counter() - began
    times = [1000 * taken for connection in connections for taken in connection.seconds]
    return {
        "requests": len(times),
        "seconds": elapsed,
        "p50": median(times),
        "p99": quantiles(times, n=100, method="inclusive")[-1] if times[1:] else times[0],
        "cpu": process_time() - cpu,
    }


async def answer(port: int, request: str) -> str:
    """Send a request once; return the body of the answer."""
    connection = Connection(iter([request.encode()]))
    await asyncio.get_running_loop().create_connection(lambda: connection, "127.0.0.1", port)
    async with asyncio.timeout(_PATIENCE):
        return (await connection.answered).decode()


if __name__ == "__main__":
    serve({"run": run, "send": send, "answer": answer})
