"""Clients that break the protocol get the right code at once; other clients are not affected."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from gql.transport import websocket as websocket_module
from tests.gql.transport import demo as demo_module
from tests.gql.transport.demo import Demo, Watch, serve
from tests.gql.transport.frames import (
    ABUSES,
    BROKEN_UTF8,
    CLOSE,
    PING,
    PONG,
    RawWebSocket,
    frame,
    init,
    raw_websocket,
    subscribe,
    text,
)

SILENCE = "subscription { silence }"
PINGS = 5_000


@pytest.fixture
async def raw(demo: Demo) -> AsyncIterator[RawWebSocket]:
    async with raw_websocket(demo.port) as opened:
        yield opened


@pytest.fixture
async def bystander(demo: Demo) -> AsyncIterator[RawWebSocket]:
    """Another client, connected throughout the abuse."""
    async with raw_websocket(demo.port) as opened:
        await opened.sign_in("eve")
        yield opened
        opened.writer.write(subscribe("subscription { count(to: 1) }"))
        assert [(await opened.message())["type"] for _ in range(2)] == ["next", "complete"]


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    fresh = Watch()
    monkeypatch.setattr(demo_module, "watch", fresh)
    return fresh


@pytest.fixture
def errors(caplog: pytest.LogCaptureFixture) -> Any:
    """Return the loggers of the errors that were logged."""
    return lambda: [record.name for record in caplog.records if record.levelname == "ERROR"]


def ends(watch: Watch) -> Any:
    """Wait until the subscription has ended."""
    return asyncio.wait_for(watch.cleaned_up.wait(), 5)


# Abuses of every kind


@pytest.mark.usefixtures("bystander")
@pytest.mark.parametrize("abuse", ABUSES)
async def test_abuse_ends_with_its_code(raw: RawWebSocket, abuse: str, errors: Any) -> None:
    data, code = ABUSES[abuse]
    raw.writer.write(data)
    assert await raw.closing() == code
    assert errors() == []


@pytest.mark.usefixtures("bystander")
@pytest.mark.parametrize("abuse", ABUSES)
async def test_abuse_ends_subscriptions_too(
    raw: RawWebSocket, abuse: str, watch: Watch, errors: Any
) -> None:
    data, code = ABUSES[abuse]
    await raw.sign_in("ada")
    raw.writer.write(subscribe(SILENCE))
    await asyncio.wait_for(watch.started.wait(), 5)
    raw.writer.write(data)
    assert await raw.closing() == code
    await ends(watch)
    assert errors() == []


@pytest.mark.usefixtures("bystander")
@pytest.mark.parametrize("data", BROKEN_UTF8.values(), ids=BROKEN_UTF8)
async def test_invalid_utf8_ends_with_its_code(raw: RawWebSocket, data: bytes, errors: Any) -> None:
    await raw.sign_in("ada")
    raw.writer.write(data)
    assert await raw.closing() == 1007
    assert errors() == []


# Messages that come too early, too often or all at once


async def test_an_operation_may_follow_connection_init_at_once(raw: RawWebSocket) -> None:
    raw.writer.write(init("ada") + subscribe("{ hello }"))
    assert [(await raw.message())["type"] for _ in range(3)] == [
        "connection_ack",
        "next",
        "complete",
    ]


async def test_a_second_connection_init_does_not_wait_for_the_first(raw: RawWebSocket) -> None:
    raw.writer.write(init("ada") * 2)
    assert await raw.message() == {"type": "connection_ack"}
    assert await raw.closing() == 4429


async def test_an_operation_before_connection_init_is_not_run(
    raw: RawWebSocket, watch: Watch
) -> None:
    raw.writer.write(subscribe(SILENCE) + init("ada"))
    assert await raw.closing() == 4401
    assert not watch.started.is_set()


async def test_an_id_cannot_be_taken_twice_at_once(raw: RawWebSocket) -> None:
    raw.writer.write(init("ada") + subscribe(SILENCE) * 2)
    assert await raw.closing() == 4409


async def test_pings_do_not_replace_connection_init(
    demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo.view, "connection_init_wait_timeout", timedelta(seconds=0.05))
    async with raw_websocket(demo.port) as raw:
        raw.writer.write(text({"type": "ping"}))
        assert await raw.message() == {"type": "pong"}
        assert await raw.closing() == 4408


@pytest.mark.usefixtures("bystander")
async def test_a_flood_of_pings_is_answered_one_by_one(raw: RawWebSocket) -> None:
    raw.writer.write(text({"type": "ping", "payload": {"any": 1}}) * PINGS)
    for _ in range(PINGS):
        assert await raw.message() == {"type": "pong"}
    raw.writer.write(frame(PING, b"x") * PINGS)
    for _ in range(PINGS):
        assert await raw.next() == (PONG, b"x")
    raw.writer.write(text({"type": "pong"}) * PINGS)
    await raw.sign_in("ada")


async def test_completing_unknown_operations_over_and_over_is_harmless(raw: RawWebSocket) -> None:
    await raw.sign_in("ada")
    raw.writer.write(text({"id": "unknown", "type": "complete"}) * PINGS)
    raw.writer.write(text({"type": "ping"}))
    assert await raw.message() == {"type": "pong"}


@pytest.mark.parametrize("field", ["silence", "flood"])
async def test_no_message_of_an_operation_follows_its_completion(
    raw: RawWebSocket, watch: Watch, field: str
) -> None:
    await raw.sign_in("ada")
    raw.writer.write(subscribe(f"subscription {{ {field} }}"))
    await asyncio.wait_for(watch.started.wait(), 5)
    raw.writer.write(text({"id": "1", "type": "complete"}) + text({"type": "ping"}))
    while (await raw.message())["type"] != "pong":
        pass
    await ends(watch)
    raw.writer.write(text({"type": "ping"}))
    assert await raw.message() == {"type": "pong"}


# Clients that leave, stop reading, or send nothing


@pytest.mark.usefixtures("bystander")
@pytest.mark.parametrize("farewell", [b"", frame(CLOSE), frame(CLOSE, (1000).to_bytes(2, "big"))])
async def test_a_half_closed_connection_is_closed(
    raw: RawWebSocket, watch: Watch, farewell: bytes, errors: Any
) -> None:
    await raw.sign_in("ada")
    raw.writer.write(subscribe(SILENCE))
    await asyncio.wait_for(watch.started.wait(), 5)
    raw.writer.write(farewell)
    raw.writer.write_eof()
    await ends(watch)
    assert await asyncio.wait_for(raw.reader.read(), 5) == (farewell and frame_back(farewell))
    assert errors() == []


def frame_back(farewell: bytes) -> bytes:
    """Return the server's echo of a closing frame: the same, without its mask."""
    return bytes([farewell[0], farewell[1] & 127]) + farewell[6:]


@pytest.mark.usefixtures("bystander")
async def test_a_client_that_does_not_read_is_disconnected(
    demo: Demo, watch: Watch, monkeypatch: pytest.MonkeyPatch, errors: Any
) -> None:
    monkeypatch.setattr(websocket_module, "SEND_TIMEOUT", 0.1)
    async with raw_websocket(demo.port) as raw:
        await raw.sign_in("ada")
        # Once a buffer is full nothing more is read.
        raw.writer.write(subscribe("subscription { flood(size: 100000) }"))
        await ends(watch)
        # The client sees the close code if it reads again before the server gives up.
        with suppress(asyncio.IncompleteReadError):
            assert await raw.closing() == 4499
    assert errors() == []


async def test_a_client_that_answers_no_ping_is_disconnected(watch: Watch) -> None:
    async with serve(ping_seconds=0.2) as demo, raw_websocket(demo.port) as raw:
        await raw.sign_in("ada")
        raw.writer.write(subscribe(SILENCE))
        opcode, payload = await raw.next()
        assert opcode == PING
        raw.writer.write(frame(PONG, payload))
        assert (await raw.next())[0] == PING
        assert await raw.closing() == 4499
        await ends(watch)
