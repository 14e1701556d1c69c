"""Arbitrary HTTP requests."""

import json
from collections import Counter
from typing import Any
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.cases import cases
from tests.fuzz.documents import documents
from tests.fuzz.pool import JSON, NUMBERS, SURROGATES, Pool
from tests.fuzz.server import Server

QUERY = "{ viewer { name } }"
HASH = "00" * 32
# The texts that a header can hold.
LINE = st.text(st.characters(exclude_categories=["C"]), max_size=40).map(str.strip)
QUALITY = st.sampled_from(
    ["", ";q=0", ";q=nan", ";q=-1", ";q=1e999", ";q=", ";charset=utf-8", ";;="]
)
MEDIA = st.sampled_from(
    ["application/json", "application/graphql-response+json", "text/event-stream"]
)
MEDIA |= st.sampled_from(
    ["*/*", "text/*", "text/html", "multipart/form-data", "application/graphql", "/"]
)
MEDIAS = st.lists(st.tuples(MEDIA | LINE, QUALITY).map("".join), max_size=4).map(
    lambda parts: ", ".join(parts).strip()
)
HEADERS: st.SearchStrategy[dict[str, str]] = st.fixed_dictionaries(
    {},
    optional={
        "Accept": MEDIAS,
        "Content-Type": MEDIAS,
        "Last-Event-ID": LINE,
        "X-Request-Id": LINE | st.just("a" * 5000),
        "traceparent": LINE | st.sampled_from([f"00-{'0' * 32}-{'0' * 16}-01", "00-" + "f" * 400]),
        "tracestate": LINE,
        "baggage": LINE,
        "Content-Encoding": st.sampled_from(["gzip", "identity", "br"]),
        "Origin": LINE | st.sampled_from(["null", "http://[", "https://evil.example"]),
        "Cookie": LINE,
    },
)
EXTENSIONS = st.one_of(
    JSON,
    st.fixed_dictionaries(
        {"persistedQuery": JSON | st.fixed_dictionaries({"sha256Hash": JSON | st.just(HASH)})}
    ),
)
DOCUMENT_IDS = st.one_of(JSON, st.just(f"sha256:{HASH}"), LINE.map("sha256:".__add__))


def parameters(pool: Pool) -> st.SearchStrategy[Any]:
    """Parameters of a GraphQL request, some of them of a wrong type."""
    return st.fixed_dictionaries(
        {},
        optional={
            "query": st.one_of(st.just(QUERY), documents(pool), JSON, SURROGATES),
            "variables": st.one_of(st.none(), st.dictionaries(st.text(max_size=5), JSON), JSON),
            "operationName": st.one_of(st.none(), st.text(max_size=5), JSON),
            "extensions": st.none() | EXTENSIONS,
            "documentId": st.none() | DOCUMENT_IDS,
        },
    )


def nested(levels: int, opening: str, closing: str) -> bytes:
    deep = f"{opening * levels}1{closing * levels}"
    return f'{{"query": {json.dumps(QUERY)}, "variables": {{"a": {deep}}}}}'.encode()


def bodies(pool: Pool) -> st.SearchStrategy[bytes]:
    """Bodies: JSON, truncated JSON, other encodings, deep nesting and random bytes."""
    text = st.one_of(
        parameters(pool), parameters(pool), JSON, st.lists(parameters(pool), max_size=2)
    )
    return st.one_of(
        text.map(lambda body: json.dumps(body).encode()),
        text.map(lambda body: json.dumps(body).encode()[:-1]),
        text.map(
            lambda body: json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")
        ),
        text.map(lambda body: json.dumps(body).encode("utf-16")),
        st.binary(max_size=60),
        st.integers(0, 20_000).map(lambda levels: nested(levels, "[", "]")),
        st.integers(0, 20_000).map(lambda levels: nested(levels, '{"b":', "}")),
        st.integers(260_000, 264_000).map(lambda size: json.dumps({"query": "#" * size}).encode()),
    )


@given(data=st.data())
@cases(150)
def test_bodies_and_headers(strict: Server, pool: Pool, data: st.DataObject) -> None:
    usual = {"Authorization": f"Bearer {pool.token()}", "Content-Type": "application/json"}
    method = data.draw(st.just("POST") | st.sampled_from(["PUT", "DELETE", "OPTIONS", "PATCH"]))
    headers = data.draw(HEADERS)
    strict.request(method, "/graphql", {**usual, **headers}, data.draw(bodies(pool)))


@given(data=st.data())
@cases(60)
def test_query_strings(strict: Server, pool: Pool, data: st.DataObject) -> None:
    def text(value: Any) -> str:
        return value if isinstance(value, str) else json.dumps(value)

    values = data.draw(parameters(pool))
    raw = [f"{name}={quote(text(values[name]), errors='surrogatepass')}" for name in values]
    raw += data.draw(st.lists(st.binary(max_size=20).map(quote), max_size=2))
    headers = {"Authorization": f"Bearer {pool.token()}", **data.draw(HEADERS)}
    strict.request("GET", f"/graphql?{'&'.join(raw)[:60_000]}", headers)


@given(data=st.data())
@cases(60)
def test_tokens(strict: Server, pool: Pool, data: st.DataObject) -> None:
    token = pool.token()
    index = data.draw(st.integers(0, 400)) % len(token)
    near = token[:index] + data.draw(LINE) + token[index + 1 :]
    # Three parts like those of a JWT, but hexadecimal.
    part = st.one_of(JSON, NUMBERS).map(lambda value: json.dumps(value).encode().hex())
    composed = st.tuples(part, part, part).map(".".join)
    scheme = data.draw(st.sampled_from(["Bearer ", "bearer ", "Basic ", "Bearer", ""]))
    header = f"{scheme}{data.draw(st.one_of(st.just(near), LINE, composed))}".strip()
    body = json.dumps({"query": QUERY}).encode()
    headers = {"Authorization": header, "Content-Type": "application/json"}
    strict.request("POST", "/graphql", headers, body)


@given(data=st.data())
@cases(100)
def test_documents(strict: Server, pool: Pool, data: st.DataObject) -> None:
    strict.ask(pool.token(), data.draw(documents(pool)), data.draw(st.none() | JSON))


@given(data=st.data())
@cases(60)
def test_documents_of_any_size(roomy: Server, pool: Pool, data: st.DataObject) -> None:
    roomy.ask(pool.token(), data.draw(documents(pool)), {"x": data.draw(JSON)})


def test_enough_cases_succeed(tallied: Counter[str]) -> None:
    assert tallied["good"] >= tallied["cases"] / 50
