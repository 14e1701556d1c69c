"""GraphQL over HTTP, server-sent events, and misbehaving clients."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from gql.errors import INTERNAL_MESSAGE
from gql.transport import http as http_module
from gql.transport import requests as requests_module
from gql.transport import sse
from tests.gql.transport import demo as demo_module
from tests.gql.transport.demo import PATH, SECRET, Demo, Watch, client, serve

RESPONSE_JSON = "application/graphql-response+json"
JSON = "application/json"
EVENTS = "text/event-stream"


@pytest.fixture(scope="module")
async def http(demo: Demo) -> AsyncIterator[httpx.AsyncClient]:
    async with client(demo) as opened:
        yield opened


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    fresh = Watch()
    monkeypatch.setattr(demo_module, "watch", fresh)
    return fresh


async def post(
    http: httpx.AsyncClient, query: str, accept: str = RESPONSE_JSON, **more: object
) -> httpx.Response:
    return await http.post(PATH, json={"query": query, **more}, headers={"Accept": accept})


def code_of(response: httpx.Response) -> object:
    body = response.json()
    assert "data" not in body or body["data"] is None
    return body["errors"][0]["extensions"]["code"]


def events_of(text: str) -> list[tuple[str, Any]]:
    events = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(":", 1) for line in block.split("\n"))
        data = fields["data"].strip()
        events.append((fields["event"].strip(), json.loads(data) if data else None))
    return events


# Content negotiation


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("application/*;q=0.2, */*;q=0", JSON),
        (f"{JSON}, text/plain, */*", JSON),
        (f"{JSON};q=0, */*", RESPONSE_JSON),
        (f"{RESPONSE_JSON}, */*", RESPONSE_JSON),
        (f"*/*, {RESPONSE_JSON};q=0.9", JSON),
        (f"{RESPONSE_JSON};q=nonsense, {RESPONSE_JSON}; Q=1; charset=UTF-8", RESPONSE_JSON),
        (JSON, JSON),
        (f"{JSON}; charset=utf-8", JSON),
        (f"{RESPONSE_JSON}, {JSON}", RESPONSE_JSON),
        (f"{JSON}, {RESPONSE_JSON}", RESPONSE_JSON),
        (f"{RESPONSE_JSON};q=0.5, {JSON};q=0.8", JSON),
        (f"{RESPONSE_JSON};q=0, */*", JSON),
        ("text/html, APPLICATION/JSON;q=0.1", JSON),
        (f"{EVENTS}, {JSON}", JSON),
        ("text/html, text/*;q=0.9, */*;q=0.8", JSON),
    ],
)
async def test_the_client_chooses_the_media_type(
    demo: Demo, accept: str | None, expected: str
) -> None:
    async with client(demo) as http:
        http.headers.pop("accept")
        headers = {} if accept is None else {"Accept": accept}
        response = await http.post(PATH, json={"query": "{ hello }"}, headers=headers)
    assert response.status_code == 200
    assert response.headers["content-type"] == f"{expected}; charset=utf-8"
    assert response.json() == {"data": {"hello": "Hello, world!"}}


@pytest.mark.parametrize(
    "accept",
    [
        "text/plain",
        "text/*",
        "image/*",
        f"{JSON};q=0",
        "*/*;q=0",
        "application/*;q=0, */*",
        "nonsense",
        ";;,",
    ],
)
async def test_an_unknown_media_type_is_not_acceptable(
    http: httpx.AsyncClient, accept: str
) -> None:
    response = await post(http, "{ hello }", accept)
    assert response.status_code == 406
    assert code_of(response) == "BAD_USER_INPUT"


# Statuses


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("{ hello", None),
        ("{ goodbye }", None),
        ("query ($n: String!) { hello(name: $n) }", {"n": 7}),
    ],
)
async def test_an_invalid_document_is_400_only_where_clients_can_trust_it(
    http: httpx.AsyncClient, query: str, variables: dict[str, object] | None
) -> None:
    for accept, status in ((RESPONSE_JSON, 400), (JSON, 200)):
        response = await post(http, query, accept, variables=variables)
        assert response.status_code == status
        assert code_of(response) == "BAD_USER_INPUT"
        assert "data" not in response.json()


@pytest.mark.parametrize(
    ("code", "status", "json_status"),
    [
        ("UNAUTHENTICATED", 401, 401),
        ("FORBIDDEN", 403, 403),
        ("NOT_FOUND", 200, 200),
        ("LIMIT_EXCEEDED", 200, 200),
        ("INTERNAL", 500, 200),
    ],
)
async def test_a_result_without_data_has_the_status_of_its_error(
    http: httpx.AsyncClient, code: str, status: int, json_status: int
) -> None:
    for accept, expected in ((RESPONSE_JSON, status), (JSON, json_status)):
        response = await post(http, f'{{ fails(code: "{code}") }}', accept)
        assert response.status_code == expected
        assert code_of(response) == code
        assert response.json()["data"] is None
        assert ("www-authenticate" in response.headers) == (expected == 401)


@pytest.mark.parametrize("code", ["FORBIDDEN", "INTERNAL"])
@pytest.mark.parametrize("accept", [RESPONSE_JSON, JSON])
async def test_partial_data_is_a_success(http: httpx.AsyncClient, code: str, accept: str) -> None:
    response = await post(http, f'{{ hello mayFail(code: "{code}") }}', accept)
    assert response.status_code == 200
    body = response.json()
    assert body["data"] == {"hello": "Hello, world!", "mayFail": None}
    assert body["errors"][0]["extensions"]["code"] == code
    assert SECRET not in response.text


# Invalid requests


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"NONSENSE",
        b'{"query":',
        b"\xff\xfe",
        b'"{ hello }"',
        b"null",
        b"7",
        b'[{"query": "{ hello }"}]',
        b"{}",
        b'{"query": null}',
        b'{"query": ""}',
        b'{"query": 7}',
        b'{"documentId": null}',
        b'{"documentId": "md5:1"}',
        b'{"documentId": "sha256:1"}',
        b'{"extensions": {"persistedQuery": null}}',
        b'{"query": ["{ hello }"]}',
        b'{"query": "{ hello }", "variables": [7]}',
        b'{"query": "{ hello }", "variables": "{}"}',
        b'{"query": "{ hello }", "extensions": []}',
        b'{"query": "{ hello }", "operationName": 7}',
        b'{"query": "query A { hello }", "operationName": "B"}',
        b'{"query": "query A { hello } query B { hello }"}',
        b'{"query": "fragment F on Query { hello }"}',
        b'{"query": "\\ud800"}',
        b'\xef\xbb\xbf{"query": "{ hello }"}',
        b"[" * 5000,
    ],
)
@pytest.mark.parametrize("accept", [RESPONSE_JSON, JSON])
async def test_a_body_that_is_not_a_request_is_400(
    http: httpx.AsyncClient, body: bytes, accept: str
) -> None:
    headers = {"Content-Type": JSON, "Accept": accept}
    response = await http.post(PATH, content=body, headers=headers)
    assert code_of(response) == "BAD_USER_INPUT"
    assert response.json()["errors"][0]["message"]
    assert response.headers["content-type"] == f"{accept}; charset=utf-8"
    assert response.status_code == 400


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json; charset=utf-8", 200),
        ('Application/JSON ; charset="UTF-8"', 200),
        ("application/json; charset=latin-1", 415),
        ("application/json; charset=utf-8; charset=utf-16", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("text/plain", 415),
        ("", 415),
    ],
)
async def test_only_json_in_utf8_is_read(
    http: httpx.AsyncClient, content_type: str, status: int
) -> None:
    body = json.dumps({"query": '{ hello(name: "Zoë") }'}, ensure_ascii=False).encode()
    response = await http.post(PATH, content=body, headers={"Content-Type": content_type})
    assert response.status_code == status
    if status == 200:
        assert response.json()["data"] == {"hello": "Hello, Zoë!"}
    else:
        assert code_of(response) == "BAD_USER_INPUT"


@pytest.mark.parametrize("encoding", ["gzip", "br", "identity, gzip", "nonsense"])
async def test_a_compressed_body_is_refused(http: httpx.AsyncClient, encoding: str) -> None:
    body = gzip.compress(b'{"query": "{ hello }"}')
    headers = {"Content-Type": JSON, "Content-Encoding": encoding}
    response = await http.post(PATH, content=body, headers=headers)
    assert response.status_code == 415
    assert response.headers["accept-encoding"] == "identity"
    assert code_of(response) == "BAD_USER_INPUT"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
async def test_other_methods_are_not_allowed(http: httpx.AsyncClient, method: str) -> None:
    response = await http.request(method, PATH, json={"query": "{ hello }"})
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, POST"
    if method == "HEAD":
        assert response.content == b""
    else:
        assert code_of(response) == "BAD_USER_INPUT"


async def test_unknown_parameters_are_ignored(http: httpx.AsyncClient) -> None:
    body = {"query": "{ hello }", "id": 7, "operationname": []}
    response = await http.post(PATH, params={"query": "{ whoami }", "variables": "{"}, json=body)
    assert response.json() == {"data": {"hello": "Hello, world!"}}
    response = await http.get(PATH, params={"query": "{ hello }", "id": ["7", "8"]})
    assert response.json() == {"data": {"hello": "Hello, world!"}}


async def test_a_query_may_come_in_the_url(http: httpx.AsyncClient) -> None:
    parameters = {
        "query": "query A { hello } query B($n: String!) { hello(name: $n) }",
        "operationName": "B",
        "variables": '{"n": "Ada"}',
        "extensions": "{}",
    }
    response = await http.get(PATH, params=parameters)
    assert response.status_code == 200
    assert response.json() == {"data": {"hello": "Hello, Ada!"}}


@pytest.mark.parametrize("value", ["", "null", "{}", " {}\n"])
async def test_variables_in_the_url_may_be_empty(http: httpx.AsyncClient, value: str) -> None:
    parameters = {"query": "{ hello }", "variables": value, "extensions": value}
    response = await http.get(PATH, params=parameters)
    assert response.json() == {"data": {"hello": "Hello, world!"}}


@pytest.mark.parametrize(
    "name", ["query", "documentId", "operationName", "variables", "extensions"]
)
async def test_a_repeated_parameter_in_the_url_is_refused(
    http: httpx.AsyncClient, name: str
) -> None:
    response = await http.get(PATH, params={"query": "{ hello }", name: ["{}", "{}"]})
    assert response.status_code == 400
    assert response.json()["errors"][0]["message"] == f"Send `{name}` once."
    assert code_of(response) == "BAD_USER_INPUT"


@pytest.mark.parametrize("name", ["variables", "extensions"])
@pytest.mark.parametrize("value", ["{", "[]", "7", '"{}"'])
async def test_a_malformed_url_is_400(http: httpx.AsyncClient, name: str, value: str) -> None:
    response = await http.get(PATH, params={"query": "{ hello }", name: value})
    assert response.status_code == 400
    assert code_of(response) == "BAD_USER_INPUT"


@pytest.mark.parametrize("accept", [RESPONSE_JSON, JSON, EVENTS, f"{EVENTS}, {JSON};q=0.5"])
async def test_a_link_cannot_change_anything(http: httpx.AsyncClient, accept: str) -> None:
    parameters = {"query": 'mutation { rename(name: "x") }'}
    response = await http.get(PATH, params=parameters, headers={"Accept": accept})
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert code_of(response) == "BAD_USER_INPUT"
    assert response.json()["errors"][0]["message"] == "Send mutations by POST."
    assert (await post(http, parameters["query"])).json() == {"data": {"rename": "x"}}


# Bodies that are too large or too slow


async def test_a_large_body_is_refused_by_its_length(http: httpx.AsyncClient) -> None:
    response = await post(http, "{ hello }", padding="x" * 300_000)
    assert response.status_code == 413
    assert code_of(response) == "BAD_USER_INPUT"


async def test_an_endless_body_is_cut_off(demo: Demo) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", demo.port)
    try:
        writer.write(
            b"POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ada\r\n"
            b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        for _ in range(20):
            writer.write(b"8000\r\n" + b" " * 0x8000 + b"\r\n")
        answer = await asyncio.wait_for(reader.readuntil(b"]}"), 5)
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"BAD_USER_INPUT" in answer
    finally:
        writer.close()


async def test_a_body_that_never_arrives_times_out(
    demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests_module, "BODY_TIMEOUT", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", demo.port)
    try:
        writer.write(
            b"POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ada\r\n"
            b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        )
        answer = await asyncio.wait_for(reader.read(), 5)
        assert answer.startswith(b"HTTP/1.1 408 ")
    finally:
        writer.close()


async def test_a_client_that_leaves_while_sending_does_no_harm(
    demo: Demo, http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", demo.port)
    writer.write(
        b"POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ada\r\n"
        b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    )
    await writer.drain()
    writer.transport.abort()
    assert (await post(http, "{ hello }")).status_code == 200
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


# Callers


@pytest.mark.parametrize("accept", [RESPONSE_JSON, JSON, EVENTS])
async def test_a_request_without_a_token_gets_401(demo: Demo, accept: str) -> None:
    async with client(demo, user=None) as http:
        for response in (
            await post(http, "{ hello }", accept),
            await http.get(f"{PATH}?query={{hello}}", headers={"Accept": accept}),
            await http.get(
                f"{PATH}?query={{hello}}&authorization=Bearer+ada", headers={"Accept": accept}
            ),
        ):
            assert response.status_code == 401
            assert response.headers["www-authenticate"] == "Bearer"
            assert code_of(response) == "UNAUTHENTICATED"
            assert response.headers["cache-control"] == "no-store"


async def test_a_context_that_cannot_be_made_is_500(
    demo: Demo, caplog: pytest.LogCaptureFixture
) -> None:
    async with client(demo, "broken") as http:
        response = await post(http, "{ hello }", JSON)
    assert response.status_code == 500
    [error] = response.json()["errors"]
    assert error["message"] == INTERNAL_MESSAGE
    assert [r.__dict__["error_id"] for r in caplog.records] == [error["extensions"]["errorId"]]
    assert SECRET not in response.text


async def test_other_refusals_of_a_context_keep_their_code(demo: Demo) -> None:
    async with client(demo, "busy") as http:
        response = await post(http, "{ hello }")
    assert response.status_code == 429
    assert code_of(response) == "RATE_LIMITED"
    assert response.headers["retry-after"] == "3"


@pytest.mark.parametrize("request_id", ["abc-123", "A" * 64])
async def test_a_good_request_id_is_kept(http: httpx.AsyncClient, request_id: str) -> None:
    response = await http.post(
        PATH, json={"query": "{ whoami }"}, headers={"X-Request-Id": request_id}
    )
    assert response.headers["x-request-id"] == request_id
    assert response.json() == {"data": {"whoami": f"ada {request_id}"}}


@pytest.mark.parametrize("request_id", ["", "A" * 65, "a b", "a_b", "<script>", None])
async def test_any_other_request_id_is_replaced(
    http: httpx.AsyncClient, request_id: str | None
) -> None:
    headers = {} if request_id is None else {"X-Request-Id": request_id}
    response = await http.post(PATH, json={"query": "{ whoami }"}, headers=headers)
    request_id = response.headers["x-request-id"]
    assert len(request_id) == 32
    assert response.json() == {"data": {"whoami": f"ada {request_id}"}}
    fault = await http.post(PATH, content=b"{", headers={"Content-Type": JSON, **headers})
    assert len(fault.headers["x-request-id"]) == 32


# Server-sent events


async def test_a_subscription_is_streamed(http: httpx.AsyncClient) -> None:
    response = await post(http, "subscription { count(to: 2) }", EVENTS)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith(EVENTS)
    assert response.headers["x-request-id"]
    assert events_of(response.text) == [
        ("next", {"data": {"count": 1}}),
        ("next", {"data": {"count": 2}}),
        ("complete", None),
    ]


async def test_an_event_source_may_subscribe_by_url(http: httpx.AsyncClient) -> None:
    parameters = {"query": "subscription ($n: Int!) { count(to: $n) }", "variables": '{"n": 1}'}
    response = await http.get(PATH, params=parameters, headers={"Accept": EVENTS})
    assert events_of(response.text) == [("next", {"data": {"count": 1}}), ("complete", None)]


async def test_a_query_may_be_streamed_too(http: httpx.AsyncClient) -> None:
    response = await post(http, "{ hello }", EVENTS)
    assert events_of(response.text) == [
        ("next", {"data": {"hello": "Hello, world!"}}),
        ("complete", None),
    ]


async def test_a_client_that_accepts_both_gets_subscriptions_as_events(
    http: httpx.AsyncClient,
) -> None:
    accept = f"{RESPONSE_JSON}, {JSON}, {EVENTS}"
    subscription = await post(http, "subscription { count(to: 1) }", accept)
    assert subscription.headers["content-type"].startswith(EVENTS)
    query = await post(http, "{ hello }", accept)
    assert query.headers["content-type"].startswith(RESPONSE_JSON)


@pytest.mark.parametrize("accept", [RESPONSE_JSON, JSON, "*/*"])
async def test_a_subscription_needs_a_stream(http: httpx.AsyncClient, accept: str) -> None:
    response = await post(http, "subscription { count(to: 1) }", accept)
    assert response.status_code == 406
    assert EVENTS in response.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("subscription {", 400, "BAD_USER_INPUT"),
        ("subscription { nope }", 400, "BAD_USER_INPUT"),
        ("subscription A { count(to: 1) } query B { hello }", 400, "BAD_USER_INPUT"),
        ('subscription { breaks(code: "UNAUTHENTICATED") }', 401, "UNAUTHENTICATED"),
        ('subscription { breaks(code: "FORBIDDEN") }', 403, "FORBIDDEN"),
        ('subscription { breaks(code: "NOT_FOUND") }', 404, "NOT_FOUND"),
        ('subscription { breaks(code: "INTERNAL") }', 500, "INTERNAL"),
        ('{ fails(code: "FORBIDDEN") }', 403, "FORBIDDEN"),
    ],
)
async def test_a_stream_that_cannot_start_has_a_status(
    http: httpx.AsyncClient, query: str, status: int, code: str
) -> None:
    response = await post(http, query, EVENTS)
    assert response.status_code == status
    assert response.headers["content-type"].startswith(JSON)
    assert code_of(response) == code
    assert SECRET not in response.text


async def test_a_stream_that_breaks_ends_with_its_error(http: httpx.AsyncClient) -> None:
    response = await post(http, 'subscription { breaks(code: "INTERNAL", first: 1) }', EVENTS)
    first, (kind, error), last = events_of(response.text)
    assert first == ("next", {"data": {"breaks": 0}})
    assert kind == "next"
    assert error["errors"][0]["extensions"]["code"] == "INTERNAL"
    assert last == ("complete", None)
    assert SECRET not in response.text


async def test_a_value_that_json_cannot_hold_is_an_internal_error(http: httpx.AsyncClient) -> None:
    query = "{ tooBigForJson }"
    answered = await post(http, query)
    assert answered.status_code == 500
    assert code_of(answered) == "INTERNAL"
    [(_, error), last] = events_of((await post(http, query, EVENTS)).text)
    assert error["errors"][0]["extensions"]["code"] == "INTERNAL"
    assert last == ("complete", None)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_module, "FIRST_RESULT_TIMEOUT", 0.01)
    monkeypatch.setattr(sse, "KEEP_ALIVE", 0.01)


async def first_chunk(response: httpx.Response) -> str:
    return await anext(response.aiter_text())


@pytest.mark.usefixtures("hasty")
async def test_an_idle_stream_sends_comments(http: httpx.AsyncClient, watch: Watch) -> None:
    body = {"query": "subscription { silence }"}
    async with http.stream("POST", PATH, json=body, headers={"Accept": EVENTS}) as response:
        assert response.status_code == 200
        assert (await first_chunk(response)).startswith(": ping")
    await asyncio.wait_for(watch.cleaned_up.wait(), 2)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("field", ["silence", "flood", "messy"])
async def test_a_client_that_leaves_ends_its_subscription(
    http: httpx.AsyncClient, watch: Watch, field: str, caplog: pytest.LogCaptureFixture
) -> None:
    body = {"query": f"subscription {{ {field} }}"}
    async with http.stream("POST", PATH, json=body, headers={"Accept": EVENTS}) as response:
        await first_chunk(response)
    await asyncio.wait_for(watch.cleaned_up.wait(), 2)
    assert "never retrieved" not in caplog.text


@pytest.mark.usefixtures("hasty")
async def test_a_client_that_does_not_read_is_disconnected(
    demo: Demo, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "SEND_TIMEOUT", 0.1)
    _, writer = await asyncio.open_connection("127.0.0.1", demo.port)
    body = b'{"query": "subscription { flood(size: 100000) }"}'
    writer.write(
        b"POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ada\r\n"
        b"Accept: text/event-stream\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    )
    try:
        await asyncio.wait_for(watch.cleaned_up.wait(), 10)
    finally:
        writer.transport.abort()


@pytest.mark.usefixtures("hasty")
async def test_a_stopping_server_ends_its_streams(watch: Watch) -> None:
    async with serve() as demo, client(demo) as http:
        body = {"query": "subscription { silence }"}
        async with http.stream("POST", PATH, json=body, headers={"Accept": EVENTS}) as response:
            await asyncio.wait_for(watch.started.wait(), 2)
            await demo.view.close_connections()
            rest = "".join([chunk async for chunk in response.aiter_text()])
            assert "complete" not in rest
        assert watch.cleaned_up.is_set()
        late = await post(http, "subscription { silence }", EVENTS)
        assert late.status_code == 503
        assert late.headers["retry-after"]
        demo.server.should_exit = True
        await asyncio.wait_for(demo.serving, 3)


async def test_a_stopping_server_starts_no_streams(watch: Watch) -> None:
    async with serve() as demo, client(demo) as http:
        starting = asyncio.create_task(post(http, "subscription { silence }", EVENTS))
        await asyncio.wait_for(watch.started.wait(), 2)
        await demo.view.close_connections()
        refused = await starting
        assert (refused.status_code, code_of(refused)) == (503, "UNAVAILABLE")
        assert refused.headers["retry-after"] == "2"
        assert watch.cleaned_up.is_set()


# Browsers


async def test_a_browser_is_sent_to_graphiql(http: httpx.AsyncClient) -> None:
    headers = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    response = await http.get(PATH, headers=headers)
    assert response.is_redirect
    assert response.headers["location"] == "/graphiql/"
    response = await http.get(PATH, params={"query": "{ hello }"}, headers=headers)
    assert response.json() == {"data": {"hello": "Hello, world!"}}
    for name, value, code in (
        ("documentId", "md5:1", "BAD_USER_INPUT"),
        ("extensions", '{"persistedQuery": {}}', "PERSISTED_QUERY_NOT_SUPPORTED"),
    ):
        named = await http.get(PATH, params={name: value}, headers=headers)
        assert not named.is_redirect
        assert code_of(named) == code


@pytest.mark.parametrize("persisted", [7, {"sha256Hash": "1"}, {"version": 1, "md5Hash": "1"}])
@pytest.mark.parametrize("text", [{}, {"query": "{ hello }"}])
async def test_a_hash_of_another_kind_is_not_supported(
    http: httpx.AsyncClient, persisted: object, text: dict[str, str]
) -> None:
    response = await http.post(PATH, json={**text, "extensions": {"persistedQuery": persisted}})
    (error,) = response.json()["errors"]
    # Clients look for exactly this text before they send the document without a hash.
    assert error["message"] == "PersistedQueryNotSupported"
    assert error["extensions"]["code"] == "PERSISTED_QUERY_NOT_SUPPORTED"
