"""Clients of `opsrun api` that break the rules of HTTP or of the WebSocket handshake."""

import asyncio

import pytest

from gql.transport import sse, websocket
from opsrun.api import http_protocol
from opsrun.api.websocket_protocol import WebSocketProtocol
from tests.gql.api import eventually
from tests.gql.transport.demo import Demo
from tests.gql.transport.frames import CONTINUATION, PING, TEXT, frame, init, subscribe
from tests.opsrun.api.raw_http import (
    ACCEPT,
    BODY,
    CHUNKED,
    FIRST,
    LENGTH,
    OFFERING,
    WHOLE,
    connected,
    response_to,
)


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
