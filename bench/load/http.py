"""HTTP load: each connection sends its request again as soon as it has the answer."""

import asyncio
from statistics import median, quantiles
from time import perf_counter, process_time
from typing import Any, cast

from bench.load.process import serve

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length:"
# Seconds until an answer counts as missing.
_PATIENCE = 30.0


class Connection(asyncio.Protocol):
    """A connection that repeats a request until a time; `answered` is then its last answer.

    An answer that is not a 200 or contains errors ends it with an exception.
    """

    _transport: asyncio.Transport

    def __init__(self, request: bytes, until: float) -> None:
        self.answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.seconds: list[float] = []
        self._request = request
        self._until = until
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
        now = perf_counter()
        self.seconds.append(now - self._sent_at)
        if not self._received.startswith(b"HTTP/1.1 200") or b'"errors"' in self._received:
            self._fail(f"Not a good answer: {bytes(self._received[:1000])!r}")
        elif now < self._until:
            self._send()
        else:
            body = self._received.partition(_HEAD_END)[2]
            self.answered.set_result(bytes(body))
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.answered.done():
            self._fail(f"The connection was lost: {exc or 'the server closed it'}.")

    def _send(self) -> None:
        self._received.clear()
        self._length = 0
        self._sent_at = perf_counter()
        self._transport.write(self._request)

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
    connect = asyncio.get_running_loop().create_connection
    began, cpu = perf_counter(), process_time()
    connections = [Connection(request.encode(), began + seconds) for request in requests]
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
    connection = Connection(request.encode(), 0.0)
    await asyncio.get_running_loop().create_connection(lambda: connection, "127.0.0.1", port)
    async with asyncio.timeout(_PATIENCE):
        return (await connection.answered).decode()


if __name__ == "__main__":
    serve({"run": run, "answer": answer})
