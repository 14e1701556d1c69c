"""The client reads every page, survives what Graph does, and takes its token nowhere else."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from domain.runs.failures import FailureReason, ProducerError
from tests.graph.faults import (
    Cut,
    Fault,
    ForeignLink,
    RepeatingLink,
    error,
    throttled,
)
from tests.workers.providers.graph.reading import NoBudgets, Reader, Waits
from workers.providers.graph import client as client_module
from workers.providers.graph.areas import Area
from workers.providers.graph.batches import read_batch
from workers.providers.graph.client import GraphClient
from workers.providers.graph.failures import GraphError
from workers.providers.graph.retries import MAX_TRIES, seconds_to_wait

CATALOG = "/deviceManagement/configurationPolicies"
LIST = f"beta{CATALOG}"


async def read_list(reader: Reader, path: str = LIST) -> list[str]:
    return [one["id"] async for page in reader.client.pages(path, Area.CATALOG) for one in page]


def stored(reader: Reader) -> list[str]:
    return [str(one["id"]) for one in reader.double.policies.documents("configurationPolicies")]


async def failure(reader: Reader, path: str = LIST) -> ProducerError:
    with pytest.raises(ProducerError) as caught:
        await read_list(reader, path)
    return caught.value


class TestPages:
    async def test_are_read_to_the_end(self, reader: Reader) -> None:
        assert sorted(await read_list(reader)) == sorted(stored(reader))
        requests = reader.double.requests
        assert len(requests) == requests.to(CATALOG) == 2
        assert {one.client_request_id for one in requests.log} == {str(reader.request_id)}
        assert reader.budgets.taken == len(requests)

    async def test_of_nested_lists_are_read_to_the_end(self, reader: Reader) -> None:
        for document in reader.double.policies.documents("configurationPolicies"):
            settings = await read_list(reader, f"{LIST}/{document['id']}/settings")
            assert len(settings) == len(document["settings"])

    async def test_of_another_host_are_refused_and_not_requested(self, reader: Reader) -> None:
        urls = (
            "https://graph.example.com/beta/stolen",
            f"https://user@{reader.double.url.removeprefix('https://')}/beta/x",
            f"{reader.double.url}.example.com/beta/x",
            f"{reader.double.url}/v1.0/another-version",
            f"{reader.double.url}/beta/../v1.0/another-version",
            f"{reader.double.url}/beta/\x00",
            f"{reader.double.url}/beta/{'x' * 70_000}",
            "https://[",
            reader.double.url.replace("https", "http") + "/beta/x",
            "//graph.example.com/beta/x",
            "",
        )
        for url in urls:
            reader.double.faults.add(CATALOG, ForeignLink(url))
            refused = await failure(reader)
            assert refused.reason == FailureReason.PROVIDER_UNAVAILABLE
            assert "another host" in refused.message
            assert "stolen" not in refused.message
        assert len(reader.double.requests) == len(urls)

    async def test_that_repeat_are_refused(self, reader: Reader) -> None:
        reader.double.faults.add(CATALOG, RepeatingLink(), times=None)
        refused = await failure(reader)
        assert refused.reason == FailureReason.PROVIDER_UNAVAILABLE
        assert "read already" in refused.message
        assert len(reader.double.requests) <= 3


class TestARetry:
    @pytest.mark.parametrize(
        ("fault", "least", "most"),
        [
            (throttled(3), 3, 3.5),
            (throttled(2.5), 2.5, 3),
            (throttled(4, as_date=True), 2, 4.5),
            (throttled(None), 0.5, 1),
            (throttled("soon"), 0.5, 1),
            (throttled(-5), 0.5, 1),
            (throttled("nan"), 0.5, 1),
            (throttled(f"Mon, {'9' * 20} Jan 2026 00:00:00 GMT"), 0.5, 1),
            (throttled(10**9), 300, 300.5),
            (throttled(7, status=503), 7, 7.5),
            (error(500), 0.5, 1),
            (error(502), 0.5, 1),
            (error(504), 0.5, 1),
            (Cut(), 0.5, 1),
            (Cut("within"), 0.5, 1),
        ],
    )
    async def test_waits_as_long_as_graph_says(
        self, reader: Reader, fault: Fault, least: float, most: float
    ) -> None:
        reader.double.faults.add(CATALOG, fault)
        assert sorted(await read_list(reader)) == sorted(stored(reader))
        (seconds,) = reader.waits.seconds
        assert least <= seconds <= most
        assert reader.budgets.taken == len(reader.double.requests)

    async def test_waits_longer_each_time_and_ends(self, reader: Reader) -> None:
        reader.double.faults.add(CATALOG, error(503), times=None)
        refused = await failure(reader)
        assert refused.reason == FailureReason.PROVIDER_UNAVAILABLE
        assert f"after {MAX_TRIES} tries" in refused.message
        assert "request-id" in refused.message
        assert len(reader.waits.seconds) == MAX_TRIES - 1
        assert reader.waits.seconds[-1] > reader.waits.seconds[0]

    async def test_after_throttling_says_why_and_stops_all_workers(self, reader: Reader) -> None:
        reader.double.faults.add(CATALOG, throttled(9))
        await read_list(reader)
        assert reader.waits.reasons == ["Microsoft Graph limits the requests for settings catalog."]
        assert reader.budgets.closed == [("settings catalog", reader.waits.seconds[0])]

    def test_understands_dates_without_a_zone_and_dates_that_are_over(self) -> None:
        now = datetime.now(UTC)
        text = format_datetime(now + timedelta(seconds=60)).removesuffix(" +0000")
        assert 55 < seconds_to_wait({"Retry-After": text}, 1) < 61
        past = format_datetime(now - timedelta(seconds=60))
        assert seconds_to_wait({"retry-after": past}, 1) <= 1


class TestARefusal:
    @pytest.mark.parametrize(
        ("status", "reason"),
        [
            (400, FailureReason.PROVIDER_REFUSED),
            (403, FailureReason.PROVIDER_UNAUTHORIZED),
            (404, FailureReason.PROVIDER_REFUSED),
        ],
    )
    async def test_is_not_repeated_and_names_what_was_refused(
        self, reader: Reader, caplog: pytest.LogCaptureFixture, status: int, reason: str
    ) -> None:
        reader.double.faults.add(CATALOG, error(status), times=None)
        refused = await failure(reader, f"{LIST}?$top=5")
        assert isinstance(refused, GraphError)
        assert (refused.reason, refused.status) == (reason, status)
        assert f"{LIST}: {status} " in refused.message
        assert "$top" not in refused.message
        assert "request-id" in refused.message
        assert len(reader.double.requests) == 1
        assert "request-id" in caplog.text

    async def test_of_a_token_renews_it_once(self, reader: Reader) -> None:
        await read_list(reader)
        reader.double.tokens.revoke()
        assert sorted(await read_list(reader)) == sorted(stored(reader))
        assert len(reader.double.tokens.issued) == 2
        reader.double.faults.add(CATALOG, error(401), times=None)
        assert (await failure(reader)).reason == FailureReason.PROVIDER_UNAUTHORIZED
        assert len(reader.double.tokens.issued) == 3

    async def test_in_the_middle_of_a_list_renews_the_token(self, reader: Reader) -> None:
        reader.double.faults.add(CATALOG, error(401), after=1)
        assert sorted(await read_list(reader)) == sorted(stored(reader))


class TestAnAnswer:
    """What Graph never sends, and a proxy before it may."""

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"<html>", "is not JSON"),
            (b"", "is not a JSON object"),
            (b"[]", "is not a JSON object"),
            (b"{}", "is not a list of objects"),
            (b'{"value": {}}', "is not a list of objects"),
            (b'{"value": [1]}', "is not a list of objects"),
        ],
    )
    async def test_of_another_form_is_a_failure(
        self, reader: Reader, monkeypatch: pytest.MonkeyPatch, content: bytes, message: str
    ) -> None:
        answer_with(reader, lambda _: httpx.Response(200, content=content))
        refused = await failure(reader)
        assert refused.reason == FailureReason.PROVIDER_UNAVAILABLE
        assert message in refused.message

    async def test_that_is_too_large_is_not_kept(
        self, reader: Reader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(client_module, "MAX_ANSWER_BYTES", 1024)
        assert "is larger than" in (await failure(reader)).message

    async def test_that_leads_elsewhere_is_not_followed(self, reader: Reader) -> None:
        seen = []

        def answer(request: httpx.Request) -> httpx.Response:
            seen.append(request.url.host)
            return httpx.Response(302, headers={"Location": "https://elsewhere.example/"})

        answer_with(reader, answer)
        assert (await failure(reader)).reason == FailureReason.PROVIDER_REFUSED
        assert set(seen) == {"127.0.0.1"}

    async def test_that_takes_too_long_as_a_whole_is_requested_again(
        self, reader: Reader, monkeypatch: pytest.MonkeyPatch
    ) -> None:

        # Each byte comes in time.
        async def drip() -> AsyncIterator[bytes]:
            while True:
                yield b" "
                await asyncio.sleep(0.001)

        monkeypatch.setattr(client_module, "_LONGEST_ANSWER", 0.02)
        answer_with(reader, lambda _: httpx.Response(200, content=drip()))
        refused = await failure(reader)
        assert refused.reason == FailureReason.PROVIDER_UNAVAILABLE
        assert f"after {MAX_TRIES} tries" in refused.message

    async def test_after_the_connections_were_closed_comes_through_new_ones(
        self, reader: Reader
    ) -> None:
        await read_list(reader)
        await reader.connections.aclose()
        assert sorted(await read_list(reader)) == sorted(stored(reader))


def answer_with(reader: Reader, answer: Callable[[httpx.Request], httpx.Response]) -> None:
    """Replace Graph, but not its token endpoint."""
    reader.connections.http = httpx.AsyncClient(transport=httpx.MockTransport(answer))


class TestABatch:
    async def paths(self, reader: Reader) -> list[str]:
        return [f"{CATALOG[1:]}/{policy_id}" for policy_id in stored(reader)[:20]]

    async def read(self, reader: Reader) -> list[dict[str, Any] | ProducerError]:
        return await read_batch(reader.client, "beta", await self.paths(reader), Area.CATALOG)

    def ids(self, results: list[dict[str, Any] | ProducerError]) -> list[str]:
        return [one["id"] for one in results if isinstance(one, dict)]

    async def test_returns_its_parts_in_their_order(self, reader: Reader) -> None:
        assert self.ids(await self.read(reader)) == stored(reader)[:20]
        assert reader.budgets.taken == len(reader.double.requests) == 20
        assert reader.double.requests.batches == 1

    async def test_sends_only_what_failed_again(self, reader: Reader) -> None:
        reader.double.faults.add(f"{CATALOG}/*", throttled(3), times=4)
        reader.double.faults.add(f"{CATALOG}/*", error(504), times=1)
        assert self.ids(await self.read(reader)) == stored(reader)[:20]
        assert len(reader.double.requests) == 25 == reader.budgets.taken
        assert reader.waits.seconds[0] >= 3

    async def test_with_a_limited_part_stops_all_workers(self, reader: Reader) -> None:
        reader.double.faults.add(f"{CATALOG}/*", error(504), times=10)
        reader.double.faults.add(f"{CATALOG}/*", throttled(0.001))
        assert self.ids(await self.read(reader)) == stored(reader)[:20]
        assert [area for area, _ in reader.budgets.closed] == ["settings catalog"]

    async def test_renews_the_token_once_if_a_part_is_rejected(self, reader: Reader) -> None:
        reader.double.faults.add(f"{CATALOG}/*", error(401), times=3)
        assert self.ids(await self.read(reader)) == stored(reader)[:20]
        assert len(reader.double.tokens.issued) == 2
        reader.double.faults.add(f"{CATALOG}/{stored(reader)[0]}", error(401), times=None)
        rejected, *others = await self.read(reader)
        assert isinstance(rejected, GraphError)
        assert rejected.reason == FailureReason.PROVIDER_UNAUTHORIZED
        assert self.ids(others) == stored(reader)[1:20]
        assert len(reader.double.tokens.issued) == 3

    async def test_with_a_refused_part_returns_the_others(self, reader: Reader) -> None:
        reader.double.faults.add(f"{CATALOG}/{stored(reader)[3]}", error(404))
        reader.double.faults.add(f"{CATALOG}/{stored(reader)[5]}", error(500), times=None)
        results = await self.read(reader)
        assert self.ids(results) == [
            one for number, one in enumerate(stored(reader)[:20]) if number not in (3, 5)
        ]
        refused, given_up = results[3], results[5]
        assert isinstance(refused, GraphError)
        assert refused.status == 404
        assert isinstance(given_up, ProducerError)
        assert given_up.reason == FailureReason.PROVIDER_UNAVAILABLE

    async def test_that_fails_as_a_whole_is_tried_again(self, reader: Reader) -> None:
        reader.double.faults.add("/$batch", throttled(2))
        reader.double.faults.add("/$batch", Cut())
        assert self.ids(await self.read(reader)) == stored(reader)[:20]
        reader.double.tokens.revoke()
        assert self.ids(await self.read(reader)) == stored(reader)[:20]
        reader.double.faults.add("/$batch", error(403))
        with pytest.raises(GraphError):
            await self.read(reader)

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"responses": {}},
            {"responses": [1, {"id": "x"}, {"id": "0", "status": "200"}, {"id": "1"}]},
            {"responses": [{"id": "0", "status": 200, "headers": [], "body": []}]},
        ],
    )
    async def test_of_another_form_is_a_failure(self, reader: Reader, body: dict[str, Any]) -> None:
        paths = (await self.paths(reader))[:2]
        answer_with(reader, lambda _: httpx.Response(200, json=body))
        try:
            results = await read_batch(reader.client, "beta", paths, Area.CATALOG)
        except ProducerError as failed:
            results = [failed]
        assert all(isinstance(one, ProducerError) for one in results)


async def test_what_is_taken_from_a_budget_is_sent_at_once(reader: Reader) -> None:
    arrived, go_on = asyncio.Semaphore(0), asyncio.Event()

    async def answer(_request: httpx.Request) -> httpx.Response:
        arrived.release()
        await go_on.wait()
        return httpx.Response(200, json={})

    reader.connections.http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(reader.client.get(LIST, Area.CATALOG))
        for _ in range(8):
            await arrived.acquire()
        await asyncio.sleep(0)
        assert reader.budgets.taken == 8
        go_on.set()
    assert reader.budgets.taken == 20


async def test_no_more_requests_than_the_budget_has_are_sent(reader: Reader) -> None:
    class Exhausted(NoBudgets):
        refusals = 2

        async def take(self, *arguments: Any, **bounds: Any) -> float:
            if self.refusals:
                self.refusals -= 1
                return 4.0
            return await super().take(*arguments, **bounds)

    waits, budgets = Waits(), Exhausted()
    call = reader.client.call
    limited = GraphClient(
        reader.settings,
        type(call)(call.tenant_id, call.request_id, waits, budgets),  # type: ignore[arg-type]
        reader.connections,
    )
    await limited.get(LIST, Area.CATALOG)
    assert waits.seconds == [4.0, 4.0]
    assert "budget of requests" in waits.reasons[0]


@pytest.mark.parametrize("fault", [None, error(401), error(403), error(500), Cut(), ForeignLink()])
async def test_no_token_secret_or_link_is_logged_or_shown_to_users(
    reader: Reader, caplog: pytest.LogCaptureFixture, fault: Fault | None
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore", "msal", "uvicorn"):
        # As `configure_logging` sets them; the last one is the double's.
        logging.getLogger(name).setLevel(logging.WARNING)
    if fault is not None:
        reader.double.faults.add("*", fault, times=None, after=1)
    messages = ""
    try:
        await read_list(reader)
        await read_batch(reader.client, "beta", [CATALOG[1:]], Area.CATALOG)
    except ProducerError as failed:
        messages = f"{failed!r} {failed.message} {failed.__cause__!r} {failed.__context__!r}"
    for canary in (reader.double.tokens.secret, *reader.double.tokens.issued, "skiptoken"):
        assert canary not in caplog.text
        assert canary not in messages
