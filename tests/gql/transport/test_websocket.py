"""The endpoint over sockets: graphql-transport-ws, and clients that misbehave."""

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


class Socket:
    """A client's end."""

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
        """Return the code of the `error` message that comes next."""
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
) -> AsyncIterator[Socket]:
    subprotocols = [Subprotocol(protocol)] if protocol else None
    url = f"ws://{demo.host}{PATH}"
    async with connect(url, subprotocols=subprotocols, proxy=None, **options) as connection:
        yield Socket(connection)


@asynccontextmanager
async def signed_in(demo: Demo) -> AsyncIterator[Socket]:
    async with opened(demo) as socket:
        await socket.sign_in()
        yield socket


# Operations


async def test_a_subscription_sends_its_results_and_completes(demo: Demo) -> None:
    async with signed_in(demo) as socket:
        query = "subscription ($n: Int!) { count(to: $n) }"
        await socket.subscribe(query, variables={"n": 2}, operationName=None)
        messages = [await socket.receive() for _ in range(3)]
    assert messages == [
        {"id": "1", "type": "next", "payload": {"data": {"count": 1}}},
        {"id": "1", "type": "next", "payload": {"data": {"count": 2}}},
        {"id": "1", "type": "complete"},
    ]


@pytest.mark.parametrize("query", ["{ hello }", 'mutation { rename(name: "x") }'])
async def test_queries_and_mutations_run_too(demo: Demo, query: str) -> None:
    async with signed_in(demo) as socket:
        await socket.subscribe(query)
        assert (await socket.receive())["type"] == "next"
        assert (await socket.receive())["type"] == "complete"


async def test_partial_data_comes_with_its_errors(demo: Demo) -> None:
    async with signed_in(demo) as socket:
        await socket.subscribe('{ hello mayFail(code: "INTERNAL") }')
        payload = (await socket.receive())["payload"]
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
async def test_a_faulty_operation_does_not_harm_the_socket(
    demo: Demo, query: str, code: str
) -> None:
    async with signed_in(demo) as socket:
        await socket.subscribe(query, id="faulty")
        assert await socket.refusal() == code
        await socket.subscribe("{ hello }", id="faulty")
        assert (await socket.receive())["payload"] == {"data": {"hello": "Hello, world!"}}


async def test_a_stream_that_breaks_ends_with_an_error(demo: Demo) -> None:
    async with signed_in(demo) as socket:
        await socket.subscribe('subscription { breaks(code: "FORBIDDEN", first: 1) }')
        assert (await socket.receive())["payload"] == {"data": {"breaks": 0}}
        assert await socket.refusal() == "FORBIDDEN"
        assert await socket.is_alive()


async def test_every_operation_has_its_own_context(demo: Demo) -> None:
    async with signed_in(demo) as socket:
        response = socket.connection.response
        assert response is not None
        request_id = response.headers["X-Request-Id"]
        before = demo.contexts.made
        for number in (1, 2):
            await socket.subscribe("subscription { whoami }")
            who = (await socket.receive())["payload"]["data"]["whoami"]
            assert who.startswith(f"ada {request_id} ")
            assert (await socket.receive())["type"] == "complete"
            assert demo.contexts.made == before + number


async def test_a_token_that_is_revoked_ends_nothing_but_new_operations(
    demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with signed_in(demo) as socket:
        monkeypatch.setattr(demo.contexts, "revoked", True)
        await socket.subscribe("{ hello }")
        assert await socket.refusal() == "UNAUTHENTICATED"
        assert await socket.is_alive()


async def test_too_many_operations_are_refused_one_by_one(
    demo: Demo, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo.view, "max_subscriptions_per_connection", 1)
    async with signed_in(demo) as socket:
        await socket.subscribe("subscription { silence }", id="first")
        await socket.subscribe("{ hello }", id="second")
        assert await socket.refusal() == "LIMIT_EXCEEDED"
        await socket.send({"id": "first", "type": "complete"})
        await asyncio.wait_for(watch.cleaned_up.wait(), 2)
        await socket.subscribe("{ hello }", id="third")
        assert (await socket.receive())["type"] == "next"


# Ends


@pytest.mark.parametrize("field", ["silence", "flood", "messy"])
@pytest.mark.parametrize("way", ["complete", "close", "vanish"])
async def test_a_client_that_leaves_ends_its_subscription(
    demo: Demo, watch: Watch, field: str, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with signed_in(demo) as socket:
        await socket.subscribe(f"subscription {{ {field} }}")
        if field == "silence":
            await asyncio.wait_for(watch.started.wait(), 2)
        else:
            await socket.receive()
        match way:
            case "complete":
                await socket.send({"id": "1", "type": "complete"})
            case "close":
                await socket.connection.close()
            case "vanish":
                socket.connection.transport.abort()
        await asyncio.wait_for(watch.cleaned_up.wait(), 2)
        if way == "complete":
            await socket.send({"type": "ping"})
            while (await socket.receive())["type"] != "pong":
                pass
    # Only a clean-up that failed is worth an error, and that once.
    errors = [record.name for record in caplog.records if record.levelname == "ERROR"]
    assert errors == (["gql"] if field == "messy" else [])


async def test_a_stopping_server_closes_its_sockets(watch: Watch) -> None:
    async with serve() as demo, signed_in(demo) as socket:
        await socket.subscribe("subscription { silence }")
        await asyncio.wait_for(watch.started.wait(), 2)
        await demo.view.close_connections()
        assert watch.cleaned_up.is_set()
        assert await socket.closing() == (1012, "Service Restart")
        async with opened(demo) as late:
            assert await late.closing() == (1012, "Service Restart")
        demo.server.should_exit = True
        await asyncio.wait_for(demo.serving, 3)


async def test_a_stopping_server_takes_its_time_but_takes_nobody_in(watch: Watch) -> None:
    async with serve() as demo, signed_in(demo) as socket:
        leaving = asyncio.create_task(demo.view.close_connections(spread=3600))
        async with opened(demo) as late:
            assert await late.closing() == (1012, "Service Restart")
        await socket.subscribe("subscription { silence }")
        await asyncio.wait_for(watch.started.wait(), 2)
        await demo.view.close_connections()
        assert await socket.closing() == (1012, "Service Restart")
        assert watch.cleaned_up.is_set()
        await asyncio.wait_for(leaving, 2)


# Opening


@pytest.mark.parametrize("protocol", [None, "graphql-ws", "nonsense"])
async def test_other_protocols_are_refused(demo: Demo, protocol: str | None) -> None:
    async with opened(demo, protocol) as socket:
        assert socket.connection.subprotocol is None
        assert (await socket.closing())[0] == 4406


async def test_of_several_protocols_the_known_one_is_taken(demo: Demo) -> None:
    offered = [Subprotocol("graphql-ws"), Subprotocol(PROTOCOL)]
    async with connect(f"ws://{demo.host}{PATH}", subprotocols=offered, proxy=None) as connection:
        assert connection.subprotocol == PROTOCOL
        await Socket(connection).sign_in()


async def test_silence_is_not_waited_for(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    assert demo.view.connection_init_wait_timeout == timedelta(seconds=10)
    monkeypatch.setattr(demo.view, "connection_init_wait_timeout", timedelta(seconds=0.01))
    async with opened(demo) as socket:
        assert (await socket.closing())[0] == 4408


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
async def test_nobody_is_refused(demo: Demo, message: dict[str, object]) -> None:
    async with opened(demo) as socket:
        await socket.send(message)
        assert await socket.closing() == (4403, "Forbidden")


async def test_a_context_that_cannot_be_made_is_our_fault(
    demo: Demo, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(demo) as socket:
        await socket.send(init_message("broken"))
        code, reason = await socket.closing()
    assert code == 4500
    assert [r.__dict__["error_id"] for r in caplog.records] == [reason.split()[-1]]
    assert SECRET not in reason


async def test_a_client_is_to_come_back_when_the_database_is_there_again(demo: Demo) -> None:
    async with opened(demo) as socket:
        await socket.send(init_message("unlucky"))
        assert await socket.closing() == (1013, UNAVAILABLE_MESSAGE)


async def test_a_socket_has_to_be_opened_first(demo: Demo) -> None:
    async with opened(demo) as socket:
        await socket.subscribe("{ hello }")
        assert (await socket.closing())[0] == 4401


async def test_a_socket_is_opened_once(demo: Demo) -> None:
    async with signed_in(demo) as socket:
        await socket.send(init_message("ada"))
        assert (await socket.closing())[0] == 4429


async def test_an_id_belongs_to_one_operation(demo: Demo, watch: Watch) -> None:
    async with signed_in(demo) as socket:
        await socket.subscribe("subscription { silence }")
        await asyncio.wait_for(watch.started.wait(), 2)
        await socket.subscribe("{ hello }")
        assert (await socket.closing())[0] == 4409
    await asyncio.wait_for(watch.cleaned_up.wait(), 2)


async def test_pages_of_strangers_may_not_open_a_socket(demo: Demo) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with opened(demo, origin="https://evil.example"):
            pass
    assert refused.value.response.status_code == 403
    for origin in ("https://hub.example", f"http://{demo.host}"):
        async with opened(demo, origin=origin) as socket:
            await socket.sign_in()


async def test_a_stopping_server_still_looks_at_origins() -> None:
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
async def test_a_message_of_the_wrong_form_closes_the_socket(
    demo: Demo, message: object, early: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(demo) as socket:
        if not early:
            await socket.sign_in()
        await socket.send(message)
        code, reason = await socket.closing()
    assert code == 4400
    assert reason
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize("text", ["", "{", "NONSENSE", '"\\ud800"', "[" * 5000])
async def test_text_that_is_no_json_closes_the_socket(demo: Demo, text: str) -> None:
    async with signed_in(demo) as socket:
        await socket.connection.send(text)
        assert (await socket.closing())[0] == 4400


async def test_completing_an_unknown_operation_is_harmless(demo: Demo) -> None:
    async with signed_in(demo) as socket:
        await socket.send({"id": "unknown", "type": "complete"})
        assert await socket.is_alive()


async def test_nothing_is_kept_of_operations_that_end_before_they_begin(
    demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers: list[WebSocketHandler] = []
    handle = WebSocketHandler.handle

    async def noted(handler: WebSocketHandler) -> None:
        handlers.append(handler)
        await handle(handler)

    monkeypatch.setattr(WebSocketHandler, "handle", noted)
    async with signed_in(demo) as socket:
        for number in range(50):
            await socket.subscribe("subscription { silence }", id=str(number))
            await socket.send({"id": str(number), "type": "complete"})
        await socket.send({"type": "ping"})
        assert await socket.receive() == {"type": "pong"}
    assert handlers[0]._payloads == {}
