"""WebSockets that receive any messages."""

import json
from collections import Counter
from contextlib import ExitStack
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import InvalidHandshake, InvalidStatus

from domain.tenancy.roles import TenantRole
from tests.fuzz.cases import cases
from tests.fuzz.conversations import PROTOCOL, admitted, conversation
from tests.fuzz.documents import documents
from tests.fuzz.pool import JSON, Pool
from tests.fuzz.server import SEATS, Server

QUERY = "{ viewer { name } }"
IDS = st.sampled_from(["1", "2", "3"])
PINGS = st.sampled_from(["ping", "pong"])
OBJECTS = st.none() | st.dictionaries(st.text(max_size=5), JSON, max_size=2)
FEEDS = [
    "subscription ($t: ID!, $a: String) { operationRuns(tenantId: $t, after: $a) { __typename } }",
    "subscription ($t: ID!, $a: String) { notifications(tenantId: $t, after: $a) { id } }",
    "subscription ($t: ID!, $a: String) { operationRun(id: $t, after: $a) { kind } }",
]


def payloads(pool: Pool) -> st.SearchStrategy[Any]:
    """Payloads of a `subscribe` message."""
    variables = st.fixed_dictionaries(
        {"t": st.just(pool.ours.world.global_id) | pool.ids}, optional={"a": pool.cursors}
    )
    feed = st.fixed_dictionaries({"query": st.sampled_from(FEEDS), "variables": variables})
    other = st.fixed_dictionaries(
        {"query": documents(pool) | JSON},
        optional={
            "variables": JSON | st.none(),
            "operationName": JSON | st.none(),
            "extensions": JSON | st.none(),
            "documentId": JSON,
        },
    )
    return st.one_of(feed, feed, other, JSON)


def messages(pool: Pool) -> st.SearchStrategy[Any]:
    """Messages of the protocol, and other ones."""
    subscribe = st.fixed_dictionaries(
        {"type": st.just("subscribe"), "id": IDS, "payload": payloads(pool)}
    )
    good = st.one_of(
        subscribe,
        subscribe,
        st.builds(lambda id_: {"type": "complete", "id": id_}, IDS),
        st.builds(lambda kind, payload: {"type": kind, "payload": payload}, PINGS, OBJECTS),
    )
    bad = st.fixed_dictionaries(
        {"type": st.sampled_from(["connection_init", "next", "error", "start", ""]) | PINGS | JSON},
        optional={"id": IDS | JSON, "payload": payloads(pool)},
    )
    return st.one_of(good, good, good, good, bad)


def frames(pool: Pool) -> st.SearchStrategy[str | bytes]:
    """Frames: mostly messages."""
    message = messages(pool).map(json.dumps)
    other: st.SearchStrategy[str | bytes] = st.one_of(
        JSON.map(json.dumps),
        st.text(max_size=20),
        st.binary(max_size=20),
        message.map(str.encode),
        st.just("[" * 5000),
        st.just('"' + "a" * 300_000),
    )
    return st.integers(0, 9).flatmap(lambda number: message if number else other)


@given(data=st.data())
@cases(80)
def test_conversations(strict: Server, pool: Pool, data: st.DataObject) -> None:
    sent = data.draw(st.lists(frames(pool), max_size=12))
    disconnects = data.draw(st.integers(0, 9)) == 0
    with admitted(strict.websocket_url, pool.token(TenantRole.MANAGER)) as client:
        open_ = all(client.send(frame) for frame in sent)
        if disconnects:
            client.disconnect()
        elif open_ and all(client.send_json({"type": "complete", "id": id_}) for id_ in "123"):
            # The completed subscriptions leave room for this operation.
            payload = {"query": QUERY}
            client.send_json({"type": "subscribe", "id": "last", "payload": payload})
            client.wait_for("next", id="last")
    outcome = f"closed with {client.code}" if client.code else "good"
    strict.count("disconnected" if disconnects else outcome)


@given(data=st.data())
@cases(40)
def test_conversations_without_a_token(strict: Server, pool: Pool, data: st.DataObject) -> None:
    first = st.fixed_dictionaries(
        {"type": st.just("connection_init")},
        optional={"payload": JSON | st.fixed_dictionaries({"authorization": JSON})},
    ).map(json.dumps)
    sent = data.draw(st.tuples(st.one_of(first, first, frames(pool)), frames(pool)))
    with conversation(strict.websocket_url) as client:
        if all(client.send(frame) for frame in sent) and client.send_json({"type": "ping"}):
            client.wait_for("pong")
    strict.count(f"closed with {client.code}" if client.code else "good")


@given(data=st.data())
@cases(30)
def test_handshakes(strict: Server, data: st.DataObject) -> None:
    protocols = data.draw(st.lists(st.sampled_from([PROTOCOL, "graphql-ws", "x"]), max_size=3))
    line = st.text(st.characters(exclude_categories=["C", "Z"], codec="ascii"), max_size=20)
    names = st.sampled_from(["X-Request-Id", "traceparent", "Authorization", "Last-Event-ID"])
    headers = data.draw(st.dictionaries(names, line, max_size=3))
    try:
        with conversation(strict.websocket_url, protocols, headers) as client:
            if client.send_json({"type": "ping"}):
                client.wait_for("pong")
            strict.count(f"closed with {client.code}" if client.code else "good")
    except InvalidStatus as error:
        assert error.response.status_code < 500, error
        strict.count(f"refused with {error.response.status_code}")
    except InvalidHandshake as error:
        strict.count(f"refused: {type(error).__name__}")


def test_closed_websockets_leave_their_seats(
    strict: Server, pool: Pool, tallied: Counter[str]
) -> None:
    token = pool.token(TenantRole.MANAGER)
    with ExitStack() as stack:
        for _ in range(SEATS):
            stack.enter_context(admitted(strict.websocket_url, token))
    assert strict.ask(token, QUERY) == set()
    assert tallied["good"] >= tallied["cases"] / 10
