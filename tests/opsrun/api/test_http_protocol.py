"""Clients of `opsrun api` that do not even speak HTTP or open a socket well."""

import asyncio
import socket
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from gql.transport import http, sse, websocket
from opsrun.api import http_protocol as protocols
from opsrun.api.websocket_protocol import SocketProtocol
from tests.gql.api import eventually
from tests.gql.transport.demo import Demo, serve
from tests.gql.transport.frames import CONTINUATION, PING, TEXT, frame, init, subscribe


@pytest.fixture(scope="module")
async def demo() -> AsyncIterator[Demo]:
    async with serve() as running:
        yield running


@asynccontextmanager
async def connected(demo: Demo) -> AsyncIterator[tuple[StreamReader, StreamWriter]]:
    """Connect a client that can take very little before it reads."""
    end = socket.socket()
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    end.setblocking(False)
    await asyncio.get_running_loop().sock_connect(end, ("127.0.0.1", demo.port))
    reader, writer = await asyncio.open_connection(sock=end, limit=1024)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def answer_to(demo: Demo, *sent: bytes) -> bytes:
    """Return what the server says to these bytes before it closes."""
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
async def test_a_head_without_end_is_cut_off(demo: Demo, parts: list[bytes]) -> None:
    try:
        answer = await answer_to(demo, *parts)
    except ConnectionResetError:  # while it was still sending
        return
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"URL and headers are larger than 65536 bytes." in answer


async def test_a_long_head_does_not_shorten_the_next(demo: Demo) -> None:
    head = FIRST + b"Authorization: Bearer ada\r\nX: " + b"x" * 40_000 + b"\r\n"
    last = head + b"Connection: close\r\n\r\n"
    assert (await answer_to(demo, head + b"\r\n", last)).count(b"HTTP/1.1 200 ") == 2


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
async def test_a_length_that_lies_is_400(demo: Demo, lengths: bytes) -> None:
    head = b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    answer = await answer_to(demo, head + lengths + b"\r\n\r\n{}\r\n")
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
async def test_an_offer_to_go_on_in_http_2_is_overlooked(
    demo: Demo, request_: bytes, apart: bool, caplog: pytest.LogCaptureFixture
) -> None:
    sent = OFFERING + request_
    parts = [sent[:-30], sent[-30:]] if apart else [sent]
    # A second one, to show that the connection stays what it was.
    answer = await answer_to(demo, *parts, WHOLE[:-2] + b"Connection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 ") == answer.count(b'"hello"') == 2
    assert not caplog.records


async def test_nonsense_behind_an_answer_ends_the_connection(
    demo: Demo, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(demo) as (reader, writer):
        # Refused for its token before its body is read.
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
async def test_nonsense_in_place_of_a_body_has_one_answer(
    demo: Demo, head: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await answer_to(demo, head + NO_CHUNK)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert [record.getMessage() for record in caplog.records] == ["Invalid HTTP request received."]


@pytest.mark.parametrize(
    "head",
    [
        b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n",
        b"POST /elsewhere HTTP/1.1\r\nHost: x\r\n",
        FIRST + b"Authorization: Bearer ada\r\n",
    ],
    ids=["401", "404", "200"],
)
async def test_a_body_that_goes_on_behind_its_answer_is_given_up(
    demo: Demo, head: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocols, "HEAD_TIMEOUT", 0.3)
    async with connected(demo) as (reader, writer):
        writer.write(head + b"Content-Length: 100000\r\n\r\n")
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)

        async def drip() -> None:
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.05)

        dripping = asyncio.create_task(drip())
        with suppress(ConnectionError):
            await asyncio.wait_for(reader.read(), 5)
        dripping.cancel()
        await asyncio.wait({dripping})


async def test_a_target_may_have_scheme_and_host(demo: Demo) -> None:
    for host in (b"http://x", b"HTTPS://x:8000"):
        target = b"GET " + host + b"/graphql?"
        sent = WHOLE.replace(b"GET /graphql?", target)[:-2] + b"Connection: close\r\n\r\n"
        assert (await answer_to(demo, sent)).startswith(b"HTTP/1.1 200 ")
    assert b" 404 " in await answer_to(demo, b"GET http://x HTTP/1.0\r\n\r\n")


def server_end(demo: Demo) -> SocketProtocol:
    """Return the one socket that the server has."""
    (end,) = (
        one for one in demo.server.server_state.connections if isinstance(one, SocketProtocol)
    )
    return end


SOCKET = (
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
    ids=["socket", "events", "answers"],
)
async def test_a_client_that_takes_nothing_is_cut_off(
    demo: Demo, sent: bytes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(protocols, "STALL_TIMEOUT", 0.3)
    for module in (websocket, sse):
        monkeypatch.setattr(module, "SEND_TIMEOUT", 0.2)
    before = demo.server.server_state.connections.copy()
    async with connected(demo) as (reader, writer):
        await eventually(lambda: len(demo.server.server_state.connections - before) == 1)
        if not sent.startswith(b"GET"):
            writer.write(SOCKET)
            await reader.readuntil(b"\r\n\r\n")
        writer.write(sent)
        await eventually(lambda: not demo.server.server_state.connections - before)
    assert not [record for record in caplog.records if record.exc_info]


async def test_pings_of_a_client_that_takes_no_answers_fill_nothing(demo: Demo) -> None:
    async with connected(demo) as (reader, writer):
        writer.write(SOCKET)
        await reader.readexactly(12)
        end = server_end(demo)
        writer.write(frame(PING, b"x" * 125) * 100_000)
        await asyncio.wait_for(writer.drain(), 20)
        await eventually(lambda: not end.writable.is_set())
        assert end.transport.get_write_buffer_size() < 500_000


async def test_empty_parts_of_a_message_are_not_kept(demo: Demo) -> None:
    async with connected(demo) as (reader, writer):
        writer.write(SOCKET)
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
async def test_what_is_no_handshake_is_400(demo: Demo, handshake: bytes, reason: bytes) -> None:
    answer = await answer_to(demo, handshake + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert reason in answer


@pytest.mark.parametrize(
    ("sent", "answers"),
    [(b"", []), (FIRST, [b"400"]), (WHOLE + FIRST, [b"200", b"400"])],
    ids=["nothing", "half", "one and a half"],
)
async def test_a_head_that_never_comes_is_given_up(
    demo: Demo, sent: bytes, answers: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocols, "HEAD_TIMEOUT", 0.3)
    # Only a connection without the beginning of a request is idle.
    monkeypatch.setattr(demo.server.config, "timeout_keep_alive", 0.1)
    answer = await answer_to(demo, sent)
    assert [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]] == answers
    assert (b"did not end within" in answer) == (b"400" in answers)


async def test_a_stream_is_no_head(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocols, "HEAD_TIMEOUT", 0.3)
    monkeypatch.setattr(http, "FIRST_RESULT_TIMEOUT", 0.01)
    monkeypatch.setattr(sse, "KEEP_ALIVE", 0.01)
    async with connected(demo) as (reader, writer):
        path = b"/graphql?query=subscription{silence}"
        writer.write(WHOLE.replace(b"/graphql?query={hello}", path)[:-2] + ACCEPT + b"\r\n")
        for _ in range(50):
            await asyncio.wait_for(reader.readuntil(b": ping"), 5)


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
        *("chunk", "no handshake", "no socket", "origin"),
    ],
)
async def test_every_answer_keeps_its_type_and_names_no_software(
    demo: Demo, sent: bytes, status: bytes
) -> None:
    answer = await answer_to(demo, sent)
    assert_plain(answer.partition(b"\r\n\r\n")[0], status)


async def test_an_opened_socket_names_no_software(demo: Demo) -> None:
    async with connected(demo) as (reader, writer):
        writer.write(SOCKET)
        assert_plain(await reader.readuntil(b"\r\n\r\n"), b"101")


def assert_plain(head: bytes, status: bytes) -> None:
    """Check what every head of an answer must have, and must not."""
    assert head.startswith(b"HTTP/1.1 " + status + b" ")
    lines = head.lower().split(b"\r\n")
    assert lines.count(b"x-content-type-options: nosniff") == 1
    assert not [line for line in lines if line.startswith(b"server:")]
