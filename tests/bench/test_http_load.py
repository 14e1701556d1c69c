"""The HTTP load generator, against a server that answers what a test says."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from bench.load import http

REQUEST = "GET / HTTP/1.1\r\n\r\n"
BODY = b'{"data":{}}'
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)


@asynccontextmanager
async def answering(*parts: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Answer every request with the parts, one after another; yield the port and the requests."""
    requests: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await reader.read(1000):
            requests.append(request)
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0.01)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], requests


async def test_it_counts_every_answer_of_every_connection() -> None:
    async with answering(GOOD) as (port, requests):
        result = await http.run(port, [REQUEST] * 3, 0.2)
    assert result["requests"] == len(requests) > 6
    assert 0.2 <= result["seconds"] < 2.0
    assert 0 < result["p50"] <= result["p99"]


@pytest.mark.parametrize("connections", [1, 3, 10])
async def test_each_request_is_sent_once_over_any_number_of_connections(connections: int) -> None:
    different = [f"GET /{number} HTTP/1.1\r\n\r\n" for number in range(7)]
    async with answering(GOOD) as (port, requests):
        result = await http.send(port, different, connections)
    assert sorted(requests) == [request.encode() for request in different]
    assert result["requests"] == len(different)


@pytest.mark.parametrize(
    "parts",
    [(GOOD[:20], GOOD[20:]), (GOOD[:-3], GOOD[-3:]), (GOOD,)],
    ids=["in the head", "in the body", "not"],
)
async def test_an_answer_may_arrive_in_parts(parts: Sequence[bytes]) -> None:
    async with answering(*parts) as (port, _):
        assert await http.answer(port, REQUEST) == BODY.decode()


@pytest.mark.parametrize(
    "bad",
    [
        GOOD.replace(b"200 OK", b"429 No"),
        GOOD.replace(b"data", b"errors").replace(b": 11", b": 13"),
    ],
    ids=["status", "errors"],
)
@pytest.mark.parametrize(
    "send",
    [
        lambda port: http.answer(port, REQUEST),
        lambda port: http.run(port, [REQUEST], 0.1),
        lambda port: http.send(port, [REQUEST], 1),
    ],
    ids=["answer", "run", "send"],
)
async def test_a_bad_answer_ends_the_benchmark(bad: bytes, send: Callable[[int], object]) -> None:
    async with answering(bad) as (port, _):
        with pytest.raises(RuntimeError, match="Not a good answer"):
            await send(port)  # type: ignore[misc]
