"""Each fault happens to the requests that the test names, and to no others."""

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx
import pytest

from tests.graph import Double, graph_double
from tests.graph.client import signed_in
from tests.graph.faults import (
    Cut,
    Fault,
    ForeignLink,
    NoAssignments,
    OtherOrder,
    RepeatingLink,
    Slow,
    error,
    throttled,
)
from tests.graph.test_policies import catalog_policy

CATALOG = "/deviceManagement/configurationPolicies"
ASSIGNMENTS = [{"id": "one"}, {"id": "two"}]


@pytest.fixture
async def double() -> AsyncIterator[Double]:
    policies = [catalog_policy(name, 3, assignments=ASSIGNMENTS) for name in "abc"]
    async with graph_double(policies={"configurationPolicies": policies}, page_size=2) as double:
        yield double


@pytest.fixture
async def http(double: Double) -> AsyncIterator[httpx.AsyncClient]:
    async with signed_in(double) as http:
        yield http


async def statuses(http: httpx.AsyncClient, path: str, count: int) -> list[int]:
    return [(await http.get(f"/beta{path}")).status_code for _ in range(count)]


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 502, 503, 504])
async def test_an_error_happens_as_often_as_it_is_switched_on(
    double: Double, http: httpx.AsyncClient, status: int
) -> None:
    switch = double.faults.add(f"{CATALOG}/b", error(status), times=2, after=1)
    assert await statuses(http, f"{CATALOG}/b", 4) == [200, status, status, 200]
    assert await statuses(http, f"{CATALOG}/a", 1) == [200]
    assert switch.hits == 2
    assert double.requests.to(f"{CATALOG}/b") == 4


async def test_a_fault_without_a_count_goes_on(double: Double, http: httpx.AsyncClient) -> None:
    double.faults.add(f"{CATALOG}/*", error(404), times=None)
    assert await statuses(http, f"{CATALOG}/a/settings", 3) == [404, 404, 404]
    double.faults.clear()
    assert await statuses(http, f"{CATALOG}/a/settings", 1) == [200]


async def test_errors_have_graphs_shape(double: Double, http: httpx.AsyncClient) -> None:
    double.faults.add(CATALOG, error(500))
    answer = await http.get(f"/beta{CATALOG}", headers={"client-request-id": "mine"})
    body = answer.json()["error"]
    assert body["code"] == "InternalServerError"
    assert body["innerError"]["request-id"] == answer.headers["request-id"]
    assert answer.headers["client-request-id"] == "mine"
    assert double.requests.log[-1].client_request_id == "mine"


async def test_retry_after_has_every_form(double: Double, http: httpx.AsyncClient) -> None:
    for fault in (
        throttled(5),
        throttled(2.5, status=503),
        throttled(None),
        throttled("soon"),
        throttled(90, as_date=True),
    ):
        double.faults.add(CATALOG, fault)
    answers = [await http.get(f"/beta{CATALOG}") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [429, 503, 429, 429, 429, 200]
    headers = [answer.headers.get("Retry-After") for answer in answers]
    assert headers[:4] == ["5", "2.5", None, "soon"]
    moment = parsedate_to_datetime(str(headers[4])) - datetime.now(UTC)
    assert timedelta(seconds=80) < moment <= timedelta(seconds=90)


async def test_an_answer_can_be_slow(double: Double, http: httpx.AsyncClient) -> None:
    double.faults.add(CATALOG, Slow(0.2))
    started = time.monotonic()
    assert await statuses(http, CATALOG, 1) == [200]
    assert time.monotonic() - started >= 0.2
    double.faults.add(CATALOG, Slow(30))
    with pytest.raises(httpx.ReadTimeout):
        await http.get(f"/beta{CATALOG}", timeout=0.1)


@pytest.mark.parametrize("fault", [Cut(), Cut("within")])
async def test_a_connection_can_be_cut(
    double: Double, http: httpx.AsyncClient, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    double.faults.add(CATALOG, fault)
    with pytest.raises(httpx.RemoteProtocolError):
        await http.get(f"/beta{CATALOG}")
    assert await statuses(http, CATALOG, 1) == [200]
    assert double.requests.to(CATALOG) == 2
    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []


async def test_a_next_link_can_lead_elsewhere(double: Double, http: httpx.AsyncClient) -> None:
    double.faults.add(CATALOG, ForeignLink("https://elsewhere.example.com/page"))
    first, second = [(await http.get(f"/beta{CATALOG}")).json() for _ in range(2)]
    assert first["@odata.nextLink"] == "https://elsewhere.example.com/page"
    assert second["@odata.nextLink"].startswith(f"{double.url}/beta{CATALOG}?")


async def test_a_next_link_can_repeat(double: Double, http: httpx.AsyncClient) -> None:
    double.faults.add(CATALOG, RepeatingLink(), times=None)
    link = f"{double.url}/beta{CATALOG}"
    assert (await http.get(link)).json()["@odata.nextLink"] == link
    double.faults.clear()
    second = (await http.get(link)).json()["@odata.nextLink"]
    double.faults.add(CATALOG, RepeatingLink(), times=None)
    assert (await http.get(second)).json()["@odata.nextLink"] == second


async def test_assignments_can_come_back_empty_or_in_another_order(
    double: Double, http: httpx.AsyncClient
) -> None:
    path = f"{CATALOG}/a/assignments"
    for fault, expected in (
        (NoAssignments(), []),
        (OtherOrder(), [*reversed(ASSIGNMENTS)]),
    ):
        for url in (f"/beta{path}", f"/beta{CATALOG}/a?$expand=assignments"):
            double.faults.add(path, fault)
            faulty, usual = [(await http.get(url)).json() for _ in range(2)]
            read = "value" if "assignments" not in usual else "assignments"
            assert (faulty[read], usual[read]) == (expected, ASSIGNMENTS)
    double.faults.add(f"{CATALOG}/b/assignments", NoAssignments())
    query = "?$expand=assignments&$select=id,isAssigned"
    listed = (await http.get(f"/beta{CATALOG}{query}")).json()["value"]
    assert listed == [
        {"id": "a", "isAssigned": True, "assignments": ASSIGNMENTS},
        {"id": "b", "isAssigned": True, "assignments": []},
    ]


async def test_a_part_of_a_batch_has_its_faults(double: Double, http: httpx.AsyncClient) -> None:
    double.faults.add(f"{CATALOG}/b", throttled(9))
    double.faults.add(f"{CATALOG}/c", Slow(0.1))
    parts = [{"id": name, "method": "GET", "url": f"{CATALOG}/{name}"} for name in "abc"]
    started = time.monotonic()
    answer = await http.post("/beta/$batch", json={"requests": parts})
    assert time.monotonic() - started >= 0.1
    by_id = {part["id"]: part for part in answer.json()["responses"]}
    assert {key: part["status"] for key, part in by_id.items()} == {"a": 200, "b": 429, "c": 200}
    assert by_id["b"]["headers"]["Retry-After"] == "9"
    assert by_id["b"]["body"]["error"]["code"] == "TooManyRequests"
    double.faults.add("/$batch", error(503))
    assert (await http.post("/beta/$batch", json={"requests": parts})).status_code == 503
    for path in (f"{CATALOG}/b", "/$batch"):
        double.faults.add(path, Cut())
        with pytest.raises(httpx.RemoteProtocolError):
            await http.post("/beta/$batch", json={"requests": parts})
