"""CORS: the origins whose pages may read responses."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from gql.transport.cors import cross_origin
from gql.transport.http import GraphQLView
from tests.gql.transport.demo import PATH, DemoContexts, demo_operations

OURS = "authorization, content-type, last-event-id, traceparent, tracestate, x-request-id"
HUB, EVIL = "https://hub.example", "https://evil.example"
COUNT = {"query": "subscription { count(to: 1) }"}


@asynccontextmanager
async def page(origin: str, origins: Sequence[str]) -> AsyncIterator[httpx.AsyncClient]:
    """A page of `origin` and an endpoint that allows `origins`."""
    view = GraphQLView(demo_operations(), DemoContexts())
    app = Starlette(routes=[Route(PATH, cross_origin(view, origins))])
    headers = {"Origin": origin, "Authorization": "Bearer ada"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://test", headers=headers
    ) as http:
        yield http


async def preflight(http: httpx.AsyncClient, method: str, headers: str) -> httpx.Response:
    return await http.options(
        PATH,
        headers={
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": headers,
        },
    )


@pytest.mark.parametrize(
    ("origins", "allowed"),
    [
        ([HUB, "http://localhost:5173"], HUB),
        (["https://Hub.example:443"], HUB),
        (["*"], "*"),
    ],
)
async def test_an_allowed_page_reads_every_response(origins: list[str], allowed: str) -> None:
    async with page(HUB, origins) as http:
        for method in ("GET", "POST"):
            response = await preflight(http, method, OURS)
            assert response.status_code == 200
            assert response.headers["access-control-allow-origin"] == allowed
            assert response.headers["access-control-max-age"] == "3600"
            assert "access-control-allow-credentials" not in response.headers
        answers = [
            await http.post(PATH, json={"query": "{ hello }"}),
            await http.post(PATH, content=b"{"),
            await http.post(PATH, json=COUNT, headers={"Accept": "text/event-stream"}),
            await http.get(PATH, headers={"Authorization": ""}),
            await http.get(PATH, headers={"Authorization": "Bearer unlucky"}),
        ]
    assert [answer.status_code for answer in answers] == [200, 415, 200, 401, 503]
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == allowed
        assert answer.headers["access-control-expose-headers"] == "Retry-After, X-Request-Id"
        assert "access-control-allow-credentials" not in answer.headers
        assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize("origin", [EVIL, "null", f"{HUB}.evil.example", "http://hub.example"])
async def test_any_other_page_reads_nothing(origin: str) -> None:
    async with page(origin, [HUB]) as http:
        response = await preflight(http, "POST", "authorization")
        assert response.status_code == 400
        answer = await http.post(PATH, json={"query": "{ hello }"})
    for headers in (response.headers, answer.headers):
        assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    ("method", "headers"), [("DELETE", "authorization"), ("POST", "authorization, x-other")]
)
async def test_a_page_may_send_only_the_headers_that_are_read(method: str, headers: str) -> None:
    async with page(HUB, [HUB]) as http:
        assert (await preflight(http, method, headers)).status_code == 400


async def test_without_the_setting_there_are_no_cors_headers() -> None:
    async with page(HUB, []) as http:
        answers = [
            await preflight(http, "POST", "authorization"),
            await http.post(PATH, json={"query": "{ hello }"}),
        ]
    assert [answer.status_code for answer in answers] == [405, 200]
    for answer in answers:
        assert [name for name in answer.headers if name.startswith("access-control")] == []
