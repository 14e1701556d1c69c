"""Clients of `opsrun api` that break the rules of HTTP or of the WebSocket handshake."""

import asyncio
import socket
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gql.transport import sse, websocket
from opsrun.api import http_protocol
from opsrun.api.http_protocol import HttpProtocol, UnusualHttpProtocol
from opsrun.api.websocket_protocol import WebSocketProtocol
from tests.gql.api import eventually
from tests.gql.transport.demo import Demo, serve
from tests.gql.transport.frames import CONTINUATION, PING, TEXT, frame, init, subscribe


@pytest.fixture(scope="module")
async def demo() -> AsyncIterator[Demo]:
    async with serve() as running:
        yield running


@pytest.fixture(scope="module")
async def by_h11() -> AsyncIterator[Demo]:
    """A server that leaves every request to h11."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http_protocol, "HttpProtocol", UnusualHttpProtocol)
        async with serve() as running:
            yield running


@asynccontextmanager
async def connected(demo: Demo) -> AsyncIterator[tuple[StreamReader, StreamWriter]]:
    """Connect a client whose receive buffer is very small."""
    end = socket.socket()
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    end.setblocking(False)
    await asyncio.get_running_loop().sock_connect(end, ("127.0.0.1", demo.port))
    reader, writer = await asyncio.open_connection(sock=end, limit=1024)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def response_to(demo: Demo, *sent: bytes) -> bytes:
    """Send these bytes; return what the server sends until it closes the connection."""
    async with connected(demo) as (reader, writer):
        for data in sent:
            writer.write(data)
        return await asyncio.wait_for(reader.read(), 5)


FIRST = b"GET /graphql?query={hello} HTTP/1.1\r\nHost: x\r\n"
ACCEPT = b"Accept: text/event-stream\r\n"
WHOLE = FIRST + b"Authorization: Bearer ada\r\n\r\n"


@pytest.mark.parametrize(
    "parts",
    [
        [FIRST, *[b"X: " + b"x" * 1000 + b"\r\n"] * 1000],
        [FIRST, b"X: ", *[b"x" * 1000] * 1000],
        [b"GET /graphql?query=", *[b"x" * 1000] * 1000],
    ],
    ids=["headers", "header", "url"],
)
async def test_an_endless_head_is_refused(demo: Demo, parts: list[bytes]) -> None:
    try:
        answer = await response_to(demo, *parts)
    except ConnectionResetError:  # while it was still sending
        return
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"URL and headers are larger than 65536 bytes." in answer


async def test_a_long_head_does_not_shorten_the_next(demo: Demo) -> None:
    head = FIRST + b"Authorization: Bearer ada\r\nX: " + b"x" * 40_000 + b"\r\n"
    last = head + b"Connection: close\r\n\r\n"
    assert (await response_to(demo, head + b"\r\n", last)).count(b"HTTP/1.1 200 ") == 2


@pytest.mark.parametrize(
    "lengths",
    [
        b"Content-Length: 3\r\nContent-Length: 4",
        b"Content-Length: 3\r\nTransfer-Encoding: chunked",
        b"Content-Length: -3",
        b"Content-Length: 3x",
        b"Content-Length: " + b"9" * 30,
        b"Transfer-Encoding: chunked, nonsense",
    ],
)
async def test_an_invalid_length_is_400(demo: Demo, lengths: bytes) -> None:
    head = b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    answer = await response_to(demo, head + lengths + b"\r\n\r\n{}\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1


BODY = b'{"query": "{ hello }"}'
OFFERING = (
    b"POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ada\r\n"
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\n"
    b"Content-Type: application/json\r\n"
)
LENGTH = b"Content-Length: %d\r\n\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)


@pytest.mark.parametrize("request_", [LENGTH + BODY, CHUNKED], ids=["whole", "chunked"])
@pytest.mark.parametrize("apart", [False, True], ids=["at once", "in parts"])
async def test_an_offer_to_upgrade_to_http_2_is_ignored(
    demo: Demo, request_: bytes, apart: bool, caplog: pytest.LogCaptureFixture
) -> None:
    sent = OFFERING + request_
    parts = [sent[:-30], sent[-30:]] if apart else [sent]
    # A second request shows that the connection still speaks HTTP/1.1.
    answer = await response_to(demo, *parts, WHOLE[:-2] + b"Connection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 ") == answer.count(b'"hello"') == 2
    assert not caplog.records


async def test_nonsense_after_a_response_ends_the_connection(
    demo: Demo, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(demo) as (reader, writer):
        # Refused because of its token, before its body is read.
        writer.write(
            OFFERING.replace(b"Bearer ada", b"Bearer") + b"Transfer-Encoding: chunked\r\n\r\n"
        )
        assert await asyncio.wait_for(reader.readline(), 5) == b"HTTP/1.1 401 Unauthorized\r\n"
        writer.write(b"no chunk\r\n")
        rest = await asyncio.wait_for(reader.read(), 5)
    assert b"HTTP/1.1" not in rest
    assert [record.getMessage() for record in caplog.records] == ["Invalid HTTP request received."]


NO_CHUNK = b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"


@pytest.mark.parametrize(
    "head",
    [
        b"PUT /graphql HTTP/1.1\r\nHost: x\r\n",
        b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n",
        OFFERING,
        FIRST + b"Authorization: Bearer ada\r\n",
    ],
    ids=["method", "token", "whole", "GET"],
)
async def test_nonsense_in_place_of_a_body_gets_one_response(
    demo: Demo, head: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await response_to(demo, head + NO_CHUNK)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert [record.getMessage() for record in caplog.records] == ["Invalid HTTP request received."]


CLOSE = b"Connection: close\r\n"
POST = (
    b"POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ada\r\n"
    b"Content-Type: application/json\r\n"
)
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


def server_end(demo: Demo) -> WebSocketProtocol:
    """Return the only WebSocket that the server has."""
    (end,) = (
        one for one in demo.server.server_state.connections if isinstance(one, WebSocketProtocol)
    )
    return end


WEBSOCKET = (
    b"GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
)
FLOOD = "subscription { flood(size: 100000) }"


@pytest.mark.parametrize(
    "sent",
    [
        init("ada") + subscribe(FLOOD),
        FIRST.replace(b"{hello}", b"subscription{flood(size:100000)}")
        + b"Authorization: Bearer ada\r\nAccept: text/event-stream\r\n\r\n",
        WHOLE.replace(b"{hello}", b"{hello(name:%22" + b"x" * 30_000 + b"%22)}") * 300,
    ],
    ids=["websocket", "events", "answers"],
)
async def test_a_client_that_reads_nothing_is_disconnected(
    demo: Demo, sent: bytes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(http_protocol, "STALL_TIMEOUT", 0.3)
    for module in (websocket, sse):
        monkeypatch.setattr(module, "SEND_TIMEOUT", 0.2)
    before = demo.server.server_state.connections.copy()
    async with connected(demo) as (reader, writer):
        await eventually(lambda: len(demo.server.server_state.connections - before) == 1)
        if not sent.startswith(b"GET"):
            writer.write(WEBSOCKET)
            await reader.readuntil(b"\r\n\r\n")
        writer.write(sent)
        await eventually(lambda: not demo.server.server_state.connections - before)
    assert not [record for record in caplog.records if record.exc_info]


async def test_pings_of_a_client_that_reads_nothing_do_not_fill_memory(demo: Demo) -> None:
    async with connected(demo) as (reader, writer):
        writer.write(WEBSOCKET)
        await reader.readexactly(12)
        end = server_end(demo)
        writer.write(frame(PING, b"x" * 125) * 100_000)
        await asyncio.wait_for(writer.drain(), 20)
        await eventually(lambda: not end.writable.is_set())
        assert end.transport.get_write_buffer_size() < 500_000


async def test_empty_fragments_of_a_message_are_not_kept(demo: Demo) -> None:
    async with connected(demo) as (reader, writer):
        writer.write(WEBSOCKET)
        await reader.readuntil(b"\r\n\r\n")
        end = server_end(demo)
        writer.write(frame(TEXT, b"", final=False))
        writer.write(frame(CONTINUATION, b"", final=False) * 1000 + frame(PING, b"read"))
        await asyncio.wait_for(reader.readuntil(b"read"), 5)
        assert len(end.frames) == 1


UPGRADE = b"Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
KEY = b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"


@pytest.mark.parametrize(
    ("handshake", "reason"),
    [
        (b"POST /graphql HTTP/1.1\r\n" + UPGRADE + KEY, b"unsupported HTTP method"),
        (b"GET /graphql?" + b"x" * 9_000 + b" HTTP/1.1\r\n" + UPGRADE + KEY, b"line too long"),
        (b"GET /graphql HTTP/1.1\r\n" + b"X: 1\r\n" * 200 + UPGRADE + KEY, b"too many"),
        (b"GET /graphql HTTP/1.1\r\n" + UPGRADE, b"missing Sec-WebSocket-Key"),
        (b"GET /graphql HTTP/1.1\r\n" + UPGRADE.replace(b"13", b"12") + KEY, b"Version header"),
    ],
)
async def test_an_invalid_handshake_is_400(demo: Demo, handshake: bytes, reason: bytes) -> None:
    answer = await response_to(demo, handshake + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert reason in answer


NO_TOKEN = FIRST + b"Connection: close\r\n\r\n"
MISSING = b"GET /nowhere HTTP/1.1\r\nHost: x\r\n"
STREAM = WHOLE.replace(b"{hello}", b"subscription{count(to:1)}")[:-2] + ACCEPT
CLOSING = b"Connection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (WHOLE[:-2] + CLOSING, b"200"),
        (STREAM + CLOSING, b"200"),
        (WHOLE.replace(b"{hello}", b"{absent}")[:-2] + CLOSING, b"200"),
        (NO_TOKEN, b"401"),
        (MISSING + CLOSING, b"404"),
        (MISSING.replace(b"/nowhere", b"/graphiql/index.html") + CLOSING, b"200"),
        (MISSING.replace(b"/nowhere", b"/graphiql") + CLOSING, b"307"),
        (b"PUT /graphql HTTP/1.1\r\nHost: x\r\n" + CLOSING, b"405"),
        (b"nonsense\r\n\r\n", b"400"),
        (FIRST + NO_CHUNK, b"400"),
        (b"GET /graphql HTTP/1.1\r\n" + UPGRADE + b"\r\n", b"400"),
        (b"GET /nowhere HTTP/1.1\r\n" + UPGRADE + KEY + b"\r\n", b"403"),
        (b"GET /graphql HTTP/1.1\r\nOrigin: http://y\r\n" + UPGRADE + KEY + b"\r\n", b"403"),
    ],
    ids=[
        *("json", "events", "fault", "401", "404", "page", "redirect", "405", "nonsense"),
        *("chunk", "no handshake", "no websocket", "origin"),
    ],
)
async def test_every_response_forbids_sniffing_and_names_no_software(
    demo: Demo, sent: bytes, status: bytes
) -> None:
    answer = await response_to(demo, sent)
    assert_plain(answer.partition(b"\r\n\r\n")[0], status)


async def test_an_open_websocket_names_no_software(demo: Demo) -> None:
    async with connected(demo) as (reader, writer):
        writer.write(WEBSOCKET)
        assert_plain(await reader.readuntil(b"\r\n\r\n"), b"101")


def assert_plain(head: bytes, status: bytes) -> None:
    """Check the headers that every response must have, and those that it must not have."""
    assert head.startswith(b"HTTP/1.1 " + status + b" ")
    lines = head.lower().split(b"\r\n")
    assert lines.count(b"x-content-type-options: nosniff") == 1
    assert not [line for line in lines if line.startswith(b"server:")]
