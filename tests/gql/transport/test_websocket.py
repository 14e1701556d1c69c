"""GraphQL over WebSockets (graphql-transport-ws), and misbehaving clients."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from gql.errors import UNAVAILABLE_MESSAGE
from gql.transport.websocket import WebSocketHandler
from tests.gql.transport import demo as demo_module
from tests.gql.transport.demo import PATH, SECRET, Demo, Watch, serve

PROTOCOL = "graphql-transport-ws"


@pytest.fixture(scope="module")
async def demo() -> AsyncIterator[Demo]:
    async with serve(allowed_origins=["https://hub.example"]) as running:
        yield running


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    fresh = Watch()
    monkeypatch.setattr(demo_module, "watch", fresh)
    return fresh


class WebSocketClient:
    """A client."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, message: object) -> None:
        await self.connection.send(message if isinstance(message, bytes) else json.dumps(message))

    async def receive(self) -> Any:
        text = await asyncio.wait_for(self.connection.recv(), 5)
        assert isinstance(text, str)
        return json.loads(text)

    async def sign_in(self, user: str = "ada") -> None:
        await self.send(init_message(user))
        assert await self.receive() == {"type": "connection_ack"}

    async def subscribe(self, query: str, id: str = "1", **payload: object) -> None:  # noqa: A002
        await self.send({"id": id, "type": "subscribe", "payload": {"query": query, **payload}})

    async def refusal(self) -> Any:
        """Return the code of the next message, an `error`."""
        message = await self.receive()
        assert message["type"] == "error"
        assert SECRET not in repr(message)
        return message["payload"][0]["extensions"]["code"]

    async def closing(self) -> tuple[int, str]:
        with pytest.raises(ConnectionClosed) as closed:
            await asyncio.wait_for(self.connection.recv(), 5)
        assert closed.value.rcvd is not None
        return closed.value.rcvd.code, closed.value.rcvd.reason

    async def is_alive(self) -> bool:
        await self.send({"type": "ping"})
        return bool(await self.receive() == {"type": "pong"})


def init_message(user: str) -> dict[str, object]:
    return {"type": "connection_init", "payload": {"authorization": f"Bearer {user}"}}


@asynccontextmanager
async def opened(
    demo: Demo, protocol: str | None = PROTOCOL, **options: Any
) -> AsyncIterator[WebSocketClient]:
    subprotocols = [Subprotocol(protocol)] if protocol else None
    url = f"ws://{demo.host}{PATH}"
    async with connect(url, subprotocols=subprotocols, proxy=None, **options) as connection:
        yield WebSocketClient(connection)


@asynccontextmanager
async def signed_in(demo: Demo) -> AsyncIterator[WebSocketClient]:
    async with opened(demo) as websocket:
        await websocket.sign_in()
        yield websocket


# Operations


async def test_a_subscription_sends_its_results_and_completes(demo: Demo) -> None:
    async with signed_in(demo) as websocket:
        query = "subscription ($n: Int!) { count(to: $n) }"
        await websocket.subscribe(query, variables={"n": 2}, operationName=None)
        messages = [await websocket.receive() for _ in range(3)]
    assert messages == [
        {"id": "1", "type": "next", "payload": {"data": {"count": 1}}},
        {"id": "1", "type": "next", "payload": {"data": {"count": 2}}},
        {"id": "1", "type": "complete"},
    ]


@pytest.mark.parametrize("query", ["{ hello }", 'mutation { rename(name: "x") }'])
async def test_queries_and_mutations_run_too(demo: Demo, query: str) -> None:
    async with signed_in(demo) as websocket:
        await websocket.subscribe(query)
        assert (await websocket.receive())["type"] == "next"
        assert (await websocket.receive())["type"] == "complete"


async def test_partial_data_comes_with_its_errors(demo: Demo) -> None:
    async with signed_in(demo) as websocket:
        await websocket.subscribe('{ hello mayFail(code: "INTERNAL") }')
        payload = (await websocket.receive())["payload"]
    assert payload["data"] == {"hello": "Hello, world!", "mayFail": None}
    assert payload["errors"][0]["extensions"]["code"] == "INTERNAL"
    assert SECRET not in repr(payload)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("subscription {", "BAD_USER_INPUT"),
        ("", "BAD_USER_INPUT"),
        ("{ goodbye }", "BAD_USER_INPUT"),
        ("subscription { count }", "BAD_USER_INPUT"),
        ("query A { hello } query B { hello }", "BAD_USER_INPUT"),
        ("fragment F on Query { hello }", "BAD_USER_INPUT"),
        ('subscription { breaks(code: "FORBIDDEN") }', "FORBIDDEN"),
        ('subscription { breaks(code: "INTERNAL") }', "INTERNAL"),
        ("{ tooBigForJson }", "INTERNAL"),
    ],
)
async def test_a_failed_operation_does_not_close_the_websocket(
    demo: Demo, query: str, code: str
) -> None:
    async with signed_in(demo) as websocket:
        await websocket.subscribe(query, id="faulty")
        assert await websocket.refusal() == code
        await websocket.subscribe("{ hello }", id="faulty")
        assert (await websocket.receive())["payload"] == {"data": {"hello": "Hello, world!"}}


async def test_a_stream_that_breaks_ends_with_an_error(demo: Demo) -> None:
    async with signed_in(demo) as websocket:
        await websocket.subscribe('subscription { breaks(code: "FORBIDDEN", first: 1) }')
        assert (await websocket.receive())["payload"] == {"data": {"breaks": 0}}
        assert await websocket.refusal() == "FORBIDDEN"
        assert await websocket.is_alive()


async def test_every_operation_has_a_separate_context(demo: Demo) -> None:
    async with signed_in(demo) as websocket:
        response = websocket.connection.response
        assert response is not None
        request_id = response.headers["X-Request-Id"]
        before = demo.contexts.made
        for number in (1, 2):
            await websocket.subscribe("subscription { whoami }")
            who = (await websocket.receive())["payload"]["data"]["whoami"]
            assert who.startswith(f"ada {request_id} ")
            assert (await websocket.receive())["type"] == "complete"
            assert demo.contexts.made == before + number


async def test_a_revoked_token_refuses_only_new_operations(
    demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with signed_in(demo) as websocket:
        monkeypatch.setattr(demo.contexts, "revoked", True)
        await websocket.subscribe("{ hello }")
        assert await websocket.refusal() == "UNAUTHENTICATED"
        assert await websocket.is_alive()


async def test_too_many_operations_are_refused_one_by_one(
    demo: Demo, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo.view, "max_subscriptions_per_connection", 1)
    async with signed_in(demo) as websocket:
        await websocket.subscribe("subscription { silence }", id="first")
        await websocket.subscribe("{ hello }", id="second")
        assert await websocket.refusal() == "LIMIT_EXCEEDED"
        await websocket.send({"id": "first", "type": "complete"})
        await asyncio.wait_for(watch.cleaned_up.wait(), 2)
        await websocket.subscribe("{ hello }", id="third")
        assert (await websocket.receive())["type"] == "next"


# Ending


@pytest.mark.parametrize("field", ["silence", "flood", "messy"])
@pytest.mark.parametrize("way", ["complete", "close", "vanish"])
async def test_a_client_that_leaves_ends_its_subscription(
    demo: Demo, watch: Watch, field: str, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with signed_in(demo) as websocket:
        await websocket.subscribe(f"subscription {{ {field} }}")
        if field == "silence":
            await asyncio.wait_for(watch.started.wait(), 2)
        else:
            await websocket.receive()
        match way:
            case "complete":
                await websocket.send({"id": "1", "type": "complete"})
            case "close":
                await websocket.connection.close()
            case "vanish":
                websocket.connection.transport.abort()
        await asyncio.wait_for(watch.cleaned_up.wait(), 2)
        if way == "complete":
            await websocket.send({"type": "ping"})
            while (await websocket.receive())["type"] != "pong":
                pass
    # Only the failed clean-up is logged as an error, once.
    errors = [record.name for record in caplog.records if record.levelname == "ERROR"]
    assert errors == (["gql"] if field == "messy" else [])


async def test_a_stopping_server_closes_its_websockets(watch: Watch) -> None:
    async with serve() as demo, signed_in(demo) as websocket:
        await websocket.subscribe("subscription { silence }")
        await asyncio.wait_for(watch.started.wait(), 2)
        await demo.view.close_connections()
        assert watch.cleaned_up.is_set()
        assert await websocket.closing() == (1012, "Service Restart")
        async with opened(demo) as late:
            assert await late.closing() == (1012, "Service Restart")
        demo.server.should_exit = True
        await asyncio.wait_for(demo.serving, 3)


async def test_a_stopping_server_refuses_new_websockets_while_it_closes_the_others(
    watch: Watch,
) -> None:
    async with serve() as demo, signed_in(demo) as websocket:
        leaving = asyncio.create_task(demo.view.close_connections(spread=3600))
        async with opened(demo) as late:
            assert await late.closing() == (1012, "Service Restart")
        await websocket.subscribe("subscription { silence }")
        await asyncio.wait_for(watch.started.wait(), 2)
        await demo.view.close_connections()
        assert await websocket.closing() == (1012, "Service Restart")
        assert watch.cleaned_up.is_set()
        await asyncio.wait_for(leaving, 2)


# Opening


@pytest.mark.parametrize("protocol", [None, "graphql-ws", "nonsense"])
async def test_other_protocols_are_refused(demo: Demo, protocol: str | None) -> None:
    async with opened(demo, protocol) as websocket:
        assert websocket.connection.subprotocol is None
        assert (await websocket.closing())[0] == 4406


async def test_the_supported_protocol_of_several_is_chosen(demo: Demo) -> None:
    offered = [Subprotocol("graphql-ws"), Subprotocol(PROTOCOL)]
    async with connect(f"ws://{demo.host}{PATH}", subprotocols=offered, proxy=None) as connection:
        assert connection.subprotocol == PROTOCOL
        await WebSocketClient(connection).sign_in()


async def test_a_websocket_without_connection_init_is_closed(
    demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert demo.view.connection_init_wait_timeout == timedelta(seconds=10)
    monkeypatch.setattr(demo.view, "connection_init_wait_timeout", timedelta(seconds=0.01))
    async with opened(demo) as websocket:
        assert (await websocket.closing())[0] == 4408


@pytest.mark.parametrize(
    "message",
    [
        {"type": "connection_init"},
        {"type": "connection_init", "payload": None},
        {"type": "connection_init", "payload": {}},
        {"type": "connection_init", "payload": {"authorization": ""}},
        {"type": "connection_init", "payload": {"authorization": None}},
    ],
)
async def test_a_websocket_without_a_token_is_refused(
    demo: Demo, message: dict[str, object]
) -> None:
    async with opened(demo) as websocket:
        await websocket.send(message)
        assert await websocket.closing() == (4403, "Forbidden")


async def test_an_internal_error_while_connecting_closes_the_websocket(
    demo: Demo, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(demo) as websocket:
        await websocket.send(init_message("broken"))
        code, reason = await websocket.closing()
    assert code == 4500
    assert [r.__dict__["error_id"] for r in caplog.records] == [reason.split()[-1]]
    assert SECRET not in reason


async def test_an_unavailable_database_closes_with_a_code_to_retry(demo: Demo) -> None:
    async with opened(demo) as websocket:
        await websocket.send(init_message("unlucky"))
        assert await websocket.closing() == (1013, UNAVAILABLE_MESSAGE)


async def test_a_subscription_before_connection_init_closes_the_websocket(demo: Demo) -> None:
    async with opened(demo) as websocket:
        await websocket.subscribe("{ hello }")
        assert (await websocket.closing())[0] == 4401


async def test_a_second_connection_init_closes_the_websocket(demo: Demo) -> None:
    async with signed_in(demo) as websocket:
        await websocket.send(init_message("ada"))
        assert (await websocket.closing())[0] == 4429


async def test_an_id_belongs_to_one_operation(demo: Demo, watch: Watch) -> None:
    async with signed_in(demo) as websocket:
        await websocket.subscribe("subscription { silence }")
        await asyncio.wait_for(watch.started.wait(), 2)
        await websocket.subscribe("{ hello }")
        assert (await websocket.closing())[0] == 4409
    await asyncio.wait_for(watch.cleaned_up.wait(), 2)


async def test_pages_of_other_origins_may_not_open_a_websocket(demo: Demo) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with opened(demo, origin="https://evil.example"):
            pass
    assert refused.value.response.status_code == 403
    for origin in ("https://hub.example", f"http://{demo.host}"):
        async with opened(demo, origin=origin) as websocket:
            await websocket.sign_in()


async def test_a_stopping_server_still_checks_origins() -> None:
    async with serve(allowed_origins=["https://hub.example"]) as demo:
        await demo.view.close_connections()
        with pytest.raises(InvalidStatus):
            async with opened(demo, origin="https://evil.example"):
                pass
        async with opened(demo, origin="https://hub.example") as late:
            assert await late.closing() == (1012, "Service Restart")


# Messages that break the protocol


@pytest.mark.parametrize(
    "message",
    [
        [],
        "ping",
        None,
        7,
        {},
        {"type": None},
        {"type": ["ping"]},
        {"type": "nonsense"},
        {"type": "é" * 200},
        {"type": "connection_ack"},
        {"type": "subscribe"},
        {"type": "subscribe", "payload": {"query": "{ hello }"}},
        {"type": "subscribe", "id": 1, "payload": {"query": "{ hello }"}},
        {"type": "subscribe", "id": {}, "payload": {"query": "{ hello }"}},
        {"type": "subscribe", "id": "1"},
        {"type": "subscribe", "id": "1", "payload": None},
        {"type": "subscribe", "id": "1", "payload": "{ hello }"},
        {"type": "subscribe", "id": "1", "payload": {}},
        {"type": "subscribe", "id": "1", "payload": {"query": None}},
        {"type": "subscribe", "id": "1", "payload": {"query": "{ hello }", "variables": []}},
        {"type": "subscribe", "id": "1", "payload": {"query": "{ hello }", "operationName": 7}},
        {"type": "complete"},
        {"type": "complete", "id": []},
        {"type": "connection_init", "payload": []},
        {"type": "connection_init", "payload": "ada"},
        b'{"type": "ping"}',
    ],
)
@pytest.mark.parametrize("early", [False, True])
async def test_a_malformed_message_closes_the_websocket(
    demo: Demo, message: object, early: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(demo) as websocket:
        if not early:
            await websocket.sign_in()
        await websocket.send(message)
        code, reason = await websocket.closing()
    assert code == 4400
    assert reason
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize("text", ["", "{", "NONSENSE", '"\\ud800"', "[" * 5000])
async def test_text_that_is_not_json_closes_the_websocket(demo: Demo, text: str) -> None:
    async with signed_in(demo) as websocket:
        await websocket.connection.send(text)
        assert (await websocket.closing())[0] == 4400


async def test_completing_an_unknown_operation_is_harmless(demo: Demo) -> None:
    async with signed_in(demo) as websocket:
        await websocket.send({"id": "unknown", "type": "complete"})
        assert await websocket.is_alive()


async def test_operations_that_end_before_they_begin_are_not_kept(
    demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers: list[WebSocketHandler] = []
    handle = WebSocketHandler.handle

    async def noted(handler: WebSocketHandler) -> None:
        handlers.append(handler)
        await handle(handler)

    monkeypatch.setattr(WebSocketHandler, "handle", noted)
    async with signed_in(demo) as websocket:
        for number in range(50):
            await websocket.subscribe("subscription { silence }", id=str(number))
            await websocket.send({"id": str(number), "type": "complete"})
        await websocket.send({"type": "ping"})
        assert await websocket.receive() == {"type": "pong"}
    assert handlers[0]._payloads == {}
