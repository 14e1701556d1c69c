"""The npm clients of both protocols, as their users and the server see them."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gql.transport import http as http_module
from gql.transport import sse
from tests.contract.npm_clients import GRAPHQL_SSE, GRAPHQL_WS, scenario
from tests.gql.transport import demo as demo_module
from tests.gql.transport.demo import Demo, Watch, serve
from tests.nodejs import needs_node

pytestmark = needs_node

PROTOCOL = "graphql-transport-ws"
PACKAGES = (GRAPHQL_WS, GRAPHQL_SSE)
HELLO = {"results": [{"data": {"hello": "Hello, world!"}}], "error": None}


@pytest.fixture(scope="module")
async def demo() -> AsyncIterator[Demo]:
    async with serve() as running:
        yield running


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    fresh = Watch()
    monkeypatch.setattr(demo_module, "watch", fresh)
    return fresh


@pytest.fixture
def facts(tools: Path, demo: Demo) -> Any:
    """Run a scenario and return the first line that it prints."""

    async def run(package: str, name: str, *arguments: str, user: str = "ada") -> Any:
        async with scenario(tools, package, demo.host, user, name, *arguments) as running:
            return await running.facts()

    return run


def counted(field: str, to: int) -> Any:
    return {"results": [{"data": {field: n}} for n in range(1, to + 1)], "error": None}


# Both


@pytest.mark.parametrize("package", PACKAGES)
async def test_operations_run_side_by_side_and_complete(facts: Any, package: str) -> None:
    result = await facts(
        package,
        "operations",
        *("subscription { count(to: 3) }", "subscription { count(to: 500) }"),
        *("{ hello }", 'mutation { rename(name: "x") }'),
    )
    assert result["ends"] == [
        counted("count", 3),
        counted("count", 500),
        HELLO,
        {"results": [{"data": {"rename": "x"}}], "error": None},
    ]
    assert result.get("opened", 1) == 1


@pytest.mark.parametrize(
    ("package", "name"), [(GRAPHQL_WS, "completing"), (GRAPHQL_SSE, "leaving")]
)
async def test_a_client_that_leaves_ends_its_subscription(
    tools: Path, demo: Demo, watch: Watch, package: str, name: str
) -> None:
    async with scenario(tools, package, demo.host, "ada", name) as running:
        await asyncio.wait_for(watch.started.wait(), 20)
        running.resume()
        result = await running.facts()
        await asyncio.wait_for(watch.cleaned_up.wait(), 5)
    if package == GRAPHQL_WS:
        assert result == {"end": HELLO, "results": 0, "opened": 1, "closed": []}
    else:
        assert "next" not in result["seen"]
        assert "error" not in result["seen"]


@pytest.mark.parametrize("package", PACKAGES)
async def test_a_stream_that_breaks_ends_with_its_error(facts: Any, package: str) -> None:
    [end] = (
        await facts(package, "operations", 'subscription { breaks(code: "FORBIDDEN", first: 1) }')
    )["ends"]
    assert end["results"][0] == {"data": {"breaks": 0}}
    # In graphql-sse's protocol errors are results; in graphql-transport-ws they end the operation.
    [error] = end["error"] if package == GRAPHQL_WS else end["results"][1]["errors"]
    assert error["extensions"]["code"] == "FORBIDDEN"


# graphql-ws


async def test_a_lazy_client_opens_its_websocket_when_needed(facts: Any) -> None:
    result = await facts(GRAPHQL_WS, "lazily")
    assert result == {"before": 0, "opened": 2, "closed": [1000, 1000]}


async def test_pings_are_answered_during_a_subscription(facts: Any) -> None:
    assert await facts(GRAPHQL_WS, "pinging") == {"end": HELLO, "opened": 1, "closed": []}


async def test_a_bad_document_is_an_error_of_its_operation_only(facts: Any) -> None:
    result = await facts(GRAPHQL_WS, "operations", "{ goodbye }", "{", "{ hello }")
    *faulty, good = result["ends"]
    for end in faulty:
        assert end["results"] == []
        assert [error["extensions"]["code"] for error in end["error"]] == ["BAD_USER_INPUT"]
    assert good == HELLO
    assert (result["opened"], result["closed"]) == (1, [])


async def test_a_refused_client_stops_retrying(facts: Any) -> None:
    result = await facts(GRAPHQL_WS, "refused", user="")
    assert result == {"code": 4403, "reason": "Forbidden", "opened": 0, "closed": [4403] * 6}


async def test_a_refused_client_may_give_up_at_once(facts: Any) -> None:
    result = await facts(GRAPHQL_WS, "refusedForGood", user="")
    assert result == {"code": 4403, "opened": 0, "closed": [4403]}


async def test_a_client_reconnects_after_missed_pongs(tools: Path) -> None:
    async with (
        serve(ping_seconds=1) as demo,
        scenario(tools, GRAPHQL_WS, demo.host, "ada", "silent") as running,
    ):
        assert await running.facts() == {"end": HELLO, "opened": 2, "closed": [4499]}


def message(kind: str, **more: object) -> str:
    return json.dumps({"type": kind, **more})


INIT = message("connection_init", payload={"authorization": "Bearer ada"})
SILENCE = message("subscribe", id="1", payload={"query": "subscription { silence }"})


@pytest.mark.parametrize(
    ("protocol", "messages", "code"),
    [
        pytest.param(PROTOCOL, ["{"], 4400, id="not JSON"),
        pytest.param(PROTOCOL, [INIT, message("start", id="1")], 4400, id="legacy message"),
        pytest.param(PROTOCOL, [SILENCE], 4401, id="not initialized"),
        pytest.param(PROTOCOL, [message("connection_init")], 4403, id="no token"),
        pytest.param("", [INIT], 4406, id="no subprotocol"),
        pytest.param(PROTOCOL, [INIT, SILENCE, SILENCE], 4409, id="id taken"),
        pytest.param(PROTOCOL, [INIT, INIT], 4429, id="initialized twice"),
    ],
)
async def test_a_broken_rule_closes_with_its_code(
    facts: Any, protocol: str, messages: list[str], code: int
) -> None:
    assert await facts(GRAPHQL_WS, "raw", protocol, *messages) == {"code": code}


async def test_a_client_that_sends_nothing_is_closed(
    facts: Any, demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo.view, "connection_init_wait_timeout", timedelta(seconds=0.05))
    assert await facts(GRAPHQL_WS, "raw", PROTOCOL) == {"code": 4408}


async def test_the_legacy_protocol_is_not_supported(facts: Any) -> None:
    """The server selects no subprotocol, so the client ends it before it receives 4406."""
    result = await facts(GRAPHQL_WS, "raw", "graphql-ws", message("connection_init"))
    assert result == {"error": "Server sent no subprotocol"}


# graphql-sse


@pytest.mark.parametrize(
    ("query", "user", "status", "code"),
    [
        ("subscription { nope }", "ada", 400, "BAD_USER_INPUT"),
        ('subscription { breaks(code: "FORBIDDEN") }', "ada", 403, "FORBIDDEN"),
        ("subscription { silence }", "", 401, "UNAUTHENTICATED"),
        ("subscription { silence }", "busy", 429, "RATE_LIMITED"),
        ("subscription { silence }", "unlucky", 503, "UNAVAILABLE"),
    ],
)
async def test_a_stream_that_cannot_start_reports_why(
    facts: Any, query: str, user: str, status: int, code: str
) -> None:
    result = await facts(GRAPHQL_SSE, "refused", query, user=user)
    assert (result["results"], result["status"]) == ([], status)
    assert [error["extensions"]["code"] for error in result["body"]["errors"]] == [code]


async def test_clients_ignore_comments(
    tools: Path, demo: Demo, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_module, "FIRST_RESULT_TIMEOUT", 0.01)
    monkeypatch.setattr(sse, "KEEP_ALIVE", 0.01)
    async with scenario(tools, GRAPHQL_SSE, demo.host, "ada", "commented") as running:
        assert await running.facts() == {"comments": 3}
        watch.announced.set()
        assert await running.facts() == counted("announced", 1)
