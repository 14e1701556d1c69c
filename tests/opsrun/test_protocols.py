"""Clients of `opsrun api` that do not even speak HTTP or open a socket well."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gql.transport import http, sse
from opsrun import protocols
from tests.gql.transport.demo import Demo, serve


@pytest.fixture(scope="module")
async def demo() -> AsyncIterator[Demo]:
    async with serve() as running:
        yield running


async def answer_to(demo: Demo, *sent: bytes) -> bytes:
    """Return what the server says to these bytes before it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", demo.port)
    try:
        for data in sent:
            writer.write(data)
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.transport.abort()


FIRST = b"GET /graphql?query={hello} HTTP/1.1\r\nHost: x\r\n"


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
    reader, writer = await asyncio.open_connection("127.0.0.1", demo.port)
    try:
        # Refused for its token before its body is read.
        writer.write(
            OFFERING.replace(b"Bearer ada", b"Bearer") + b"Transfer-Encoding: chunked\r\n\r\n"
        )
        assert await asyncio.wait_for(reader.readline(), 5) == b"HTTP/1.1 401 Unauthorized\r\n"
        writer.write(b"no chunk\r\n")
        rest = await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.transport.abort()
    assert b"HTTP/1.1" not in rest
    assert [record.getMessage() for record in caplog.records] == ["Invalid HTTP request received."]


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


ACCEPT = b"Accept: text/event-stream\r\n"
WHOLE = FIRST + b"Authorization: Bearer ada\r\n\r\n"


@pytest.mark.parametrize(
    ("sent", "answers"),
    [(b"", []), (FIRST, [b"400"]), (WHOLE + FIRST, [b"200", b"400"])],
    ids=["nothing", "half", "one and a half"],
)
async def test_a_head_that_never_comes_is_given_up(
    demo: Demo, sent: bytes, answers: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocols, "HEAD_TIMEOUT", 0.3)
    answer = await answer_to(demo, sent)
    assert [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]] == answers
    assert (b"did not end within" in answer) == (b"400" in answers)


async def test_a_stream_is_no_head(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocols, "HEAD_TIMEOUT", 0.3)
    monkeypatch.setattr(http, "FIRST_RESULT_TIMEOUT", 0.01)
    monkeypatch.setattr(sse, "KEEP_ALIVE", 0.01)
    reader, writer = await asyncio.open_connection("127.0.0.1", demo.port)
    try:
        path = b"/graphql?query=subscription{silence}"
        writer.write(WHOLE.replace(b"/graphql?query={hello}", path)[:-2] + ACCEPT + b"\r\n")
        for _ in range(50):
            await asyncio.wait_for(reader.readuntil(b": ping"), 5)
    finally:
        writer.transport.abort()
