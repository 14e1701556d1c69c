"""Server-sent events with ids, so that a client can continue after the last one."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.gql.transport.demo import PATH, Demo, client

TICKS = "subscription ($to: Int!, $after: String) { ticks(to: $to, after: $after) { cursor } }"


@pytest.fixture(scope="module")
async def http(demo: Demo) -> AsyncIterator[httpx.AsyncClient]:
    async with client(demo) as opened:
        opened.headers["Accept"] = "text/event-stream"
        yield opened


async def ids_of(http: httpx.AsyncClient, query: str, **variables: Any) -> list[str]:
    """Return the ids of a subscription's events, in order; events without an id are skipped."""
    response = await http.post(PATH, json={"query": query, "variables": variables})
    assert response.status_code == 200
    return ids(response.text)


def ids(text: str) -> list[str]:
    return [line[4:] for line in text.split("\n") if line.startswith("id: ")]


async def test_the_id_of_an_event_is_its_cursor(http: httpx.AsyncClient) -> None:
    response = await http.post(PATH, json={"query": TICKS, "variables": {"to": 2}})
    assert response.text == (
        'id: 1\nevent: next\ndata: {"data":{"ticks":{"cursor":"1"}}}\n\n'
        'id: 2\nevent: next\ndata: {"data":{"ticks":{"cursor":"2"}}}\n\n'
        "event: complete\ndata:\n\n"
    )


@pytest.mark.parametrize(
    "query",
    [
        "subscription { ticks(to: 1) { number } }",
        "subscription { ticks(to: 1) { place: cursor } }",
        "subscription { count(to: 1) }",
        "{ cursor: hello }",
        'subscription { cursorOfOurOwn(cursor: "1\\r\\ndata: {}") { cursor } }',
        'subscription { cursorOfOurOwn(cursor: "1\\u0000") { cursor } }',
        'subscription { cursorOfOurOwn(cursor: "é") { cursor } }',
    ],
)
async def test_an_event_without_a_cursor_has_no_id(http: httpx.AsyncClient, query: str) -> None:
    assert await ids_of(http, query) == []


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("last", "after", "expected"),
    [
        ("2", None, ["3", "4"]),
        ("2", "", ["3", "4"]),
        ("2", "3", ["4"]),
        ("3", "2", ["3", "4"]),
        ("", None, ["1", "2", "3", "4"]),
        ("4", None, []),
    ],
)
async def test_a_client_continues_after_its_last_event(
    http: httpx.AsyncClient, method: str, last: str, after: str | None, expected: list[str]
) -> None:
    variables = {"to": 4, "after": after}
    headers = {"Last-Event-ID": last}
    if method == "GET":
        parameters = {"query": TICKS, "variables": json.dumps(variables)}
        response = await http.get(PATH, params=parameters, headers=headers)
    else:
        body = {"query": TICKS, "variables": variables}
        response = await http.post(PATH, json=body, headers=headers)
    assert ids(response.text) == expected
    assert response.text.endswith("event: complete\ndata:\n\n")
