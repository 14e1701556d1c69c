"""httptools reads plain requests and h11 all others, and no client notices which."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from opsrun.api import http_protocol
from opsrun.api.http_protocol import HttpProtocol, UnusualHttpProtocol
from tests.gql.api import eventually
from tests.gql.transport.demo import Demo, serve
from tests.opsrun.api.raw_http import (
    BODY,
    CHUNKED,
    CLOSE,
    FIRST,
    LENGTH,
    OFFERING,
    POST,
    WHOLE,
    connected,
    response_to,
)


@pytest.fixture(scope="module")
async def by_h11() -> AsyncIterator[Demo]:
    """A server that leaves every request to h11."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http_protocol, "HttpProtocol", UnusualHttpProtocol)
        async with serve() as running:
            yield running


REQUESTS = {
    "get": FIRST + CLOSE + b"Authorization: Bearer ada\r\n\r\n",
    "post": POST + CLOSE + LENGTH + BODY,
    "two": POST + LENGTH + BODY + POST + CLOSE + LENGTH + BODY,
    "plain, unusual, plain": POST
    + LENGTH
    + BODY
    + OFFERING
    + LENGTH
    + BODY
    + WHOLE[:-2]
    + CLOSE
    + b"\r\n",
    "plain, chunked": POST + LENGTH + BODY + POST + CLOSE + CHUNKED,
    "plain, nonsense": POST + LENGTH + BODY + b"nonsense\r\n\r\n",
    "plain, smuggled": POST + LENGTH + BODY + POST + CLOSE + b"Content-Length: 1\r\n" + CHUNKED,
    "refused, with a body": POST.replace(b" ada", b"")
    + LENGTH
    + BODY
    + POST
    + CLOSE
    + LENGTH
    + BODY,
    "body too short": POST + CLOSE + b"Content-Length: 5\r\n\r\n" + BODY,
    "continue": POST + CLOSE + b"Expect: 100-continue\r\n" + LENGTH + BODY,
    "version 1.0": WHOLE.replace(b"HTTP/1.1", b"HTTP/1.0"),
    "version 2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no host": POST.replace(b"Host: x\r\n", b"") + LENGTH + BODY,
    "two hosts": POST + b"Host: y\r\n" + LENGTH + BODY,
    "a header twice": POST + CLOSE + b"X: 1\r\nX: 2\r\n" + LENGTH + BODY,
    "a token twice": POST + CLOSE + b"Authorization: Bearer bob\r\n" + LENGTH + BODY,
    "a length twice": POST + CLOSE + LENGTH.replace(b"\r\n\r\n", b"\r\n") + LENGTH + BODY,
    "a space after a name": POST + CLOSE + b"X : 1\r\n" + LENGTH + BODY,
    "spaces around a value": POST + CLOSE + b"X-Request-Id: \t seven \t\r\n" + LENGTH + BODY,
    "a space after a length": POST + CLOSE + LENGTH.replace(b"\r", b" \r", 1) + BODY,
    "a folded header": POST + CLOSE + b"X-Request-Id: a\r\n  b\r\n" + LENGTH + BODY,
    "a control character": POST + CLOSE + b"X-Request-Id: a\x01b\r\n" + LENGTH + BODY,
    "a null": POST + CLOSE + b"X: a\x00b\r\n" + LENGTH + BODY,
    "a return": POST + CLOSE + b"X: a\rb\r\n" + LENGTH + BODY,
    "line feeds only": (WHOLE[:-2] + CLOSE + b"\r\n").replace(b"\r\n", b"\n"),
    "a line feed in the head": POST + CLOSE + b"X: 1\n" + LENGTH + BODY,
    "a line feed before the body": POST + CLOSE + LENGTH[:-2] + b"\n" + BODY,
    "an empty line first": b"\r\n" + POST + CLOSE + LENGTH + BODY,
    "empty lines first": b"\r\n\r\n" + POST + CLOSE + LENGTH + BODY,
    "binary": b"\x16\x03\x01\x02\x00",
    "absolute target": WHOLE.replace(b"/graphql", b"http://x/graphql", 1)[:-2] + CLOSE + b"\r\n",
    "two slashes": WHOLE.replace(b"/graphql", b"//x/graphql", 1)[:-2] + CLOSE + b"\r\n",
    "fragment": WHOLE.replace(b"{hello}", b"{hello}#x", 1)[:-2] + CLOSE + b"\r\n",
    "encoded path": WHOLE.replace(b"/graphql", b"/gr%61phql", 1)[:-2] + CLOSE + b"\r\n",
    "not ascii": WHOLE.replace(b"hello", b"h\xc3\xa9llo", 1)[:-2] + CLOSE + b"\r\n",
    "no query": b"GET /graphql? HTTP/1.1\r\nHost: x\r\n" + CLOSE + b"\r\n",
    "asterisk": b"OPTIONS * HTTP/1.1\r\nHost: x\r\n" + CLOSE + b"\r\n",
    "connect": b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n" + CLOSE + b"\r\n",
    "unknown method": b"BREW /graphql HTTP/1.1\r\nHost: x\r\n" + CLOSE + b"\r\n",
    "head": b"HEAD /graphql HTTP/1.1\r\nHost: x\r\n" + CLOSE + b"\r\n",
    "upgrade without connection": POST + CLOSE + b"Upgrade: h2c\r\n" + LENGTH + BODY,
}


@pytest.mark.parametrize("size", [10**6, 61, 7], ids=["whole", "large parts", "small parts"])
@pytest.mark.parametrize("sent", REQUESTS.values(), ids=REQUESTS)
async def test_both_parsers_give_the_same_answers(
    demo: Demo, by_h11: Demo, sent: bytes, size: int
) -> None:
    ours, h11s = [await answers(server, sent, size) for server in (demo, by_h11)]
    assert ours == h11s
    assert ours


async def answers(demo: Demo, sent: bytes, size: int) -> list[object]:
    """Return the status lines, bodies and ids of the answers to bytes sent in parts."""
    async with connected(demo) as (reader, writer):
        for start in range(0, len(sent), size):
            writer.write(sent[start : start + size])
            await asyncio.sleep(0)
        try:
            received = await asyncio.wait_for(reader.read(), 5)
        except ConnectionResetError:
            return ["reset"]
    lines = received.replace(b"HTTP/1.1 ", b"\r\nHTTP/1.1 ").split(b"\r\n")
    return [line for line in lines if line.startswith((b"HTTP/", b"{"))]


@pytest.mark.parametrize("length", [len(CHUNKED), len(CHUNKED) - 31, 3])
async def test_a_request_with_two_lengths_hides_no_other_request(demo: Demo, length: int) -> None:
    sent = POST + b"Content-Length: %d\r\n" % length + CHUNKED + WHOLE
    for before in (b"", POST + LENGTH + BODY):
        answer = await response_to(demo, before + sent)
        assert answer.count(b"HTTP/1.1 400 ") == 1
        assert answer.count(b"HTTP/1.1 200 ") == bool(before)


def new_ends(demo: Demo, before: set[Any]) -> list[Any]:
    """Return the server's ends of the connections that have opened since `before`."""
    return [*demo.server.server_state.connections - before]


async def test_only_unusual_requests_are_left_to_h11(demo: Demo) -> None:
    before = demo.server.server_state.connections.copy()
    async with connected(demo) as (reader, writer):
        for request, protocol in [
            (POST + LENGTH + BODY, HttpProtocol),
            (WHOLE, HttpProtocol),
            (OFFERING + LENGTH + BODY, UnusualHttpProtocol),
            (POST + LENGTH + BODY, UnusualHttpProtocol),
        ]:
            writer.write(request)
            await asyncio.wait_for(reader.readuntil(b"}}"), 5)
            (end,) = new_ends(demo, before)
            assert type(end) is protocol


async def test_a_client_that_reads_late_keeps_its_connection_after_an_offer(demo: Demo) -> None:
    long = WHOLE.replace(b"{hello}", b"{hello(name:%22" + b"x" * 50_000 + b"%22)}")
    before = demo.server.server_state.connections.copy()
    async with connected(demo) as (reader, writer):
        await eventually(lambda: len(new_ends(demo, before)) == 1)
        (plain,) = new_ends(demo, before)
        plain.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        writer.write(long + OFFERING + LENGTH + BODY)
        await eventually(lambda: new_ends(demo, before) != [plain])
        (unusual,) = new_ends(demo, before)
        assert unusual._timer is not None
        received = b""
        while b"Hello, world!" not in received:
            received += await asyncio.wait_for(reader.read(1024), 5)
        assert plain._timer is unusual._timer is None
