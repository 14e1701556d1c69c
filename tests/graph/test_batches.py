"""A batch takes 20 requests apart, each with its own answer."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import pytest

from tests.graph import Double, graph_double
from tests.graph.client import open_http, read_all, signed_in
from tests.graph.counting import Area
from tests.graph.test_policies import catalog_policy

CATALOG = "/deviceManagement/configurationPolicies"


@pytest.fixture
async def double() -> AsyncIterator[Double]:
    policies = [catalog_policy(str(number), number) for number in range(30)]
    async with graph_double(policies={"configurationPolicies": policies}) as double:
        yield double


@pytest.fixture
async def http(double: Double) -> AsyncIterator[httpx.AsyncClient]:
    async with signed_in(double) as http:
        yield http


def part(part_id: str, url: str, **more: Any) -> dict[str, Any]:
    return {"id": part_id, "method": "GET", "url": url, **more}


async def send(
    http: httpx.AsyncClient, parts: Sequence[Any], version: str = "beta"
) -> dict[str, Any]:
    answer = await http.post(f"/{version}/$batch", json={"requests": parts})
    assert answer.status_code == 200
    return {one["id"]: one for one in answer.json()["responses"]}


async def test_each_part_has_its_own_answer_and_next_link(
    double: Double, http: httpx.AsyncClient
) -> None:
    parts = [part(str(number), f"{CATALOG}/{number}/settings") for number in range(11, 31)]
    answers = await send(http, parts)
    assert answers.keys() == {str(number) for number in range(11, 31)}
    assert [*answers] != sorted(answers), "Graph answers in no order"
    assert answers["30"]["status"] == 404
    assert answers["30"]["body"]["error"]["code"] == "ResourceNotFound"
    for number in range(11, 30):
        body = answers[str(number)]["body"]
        assert answers[str(number)]["headers"]["request-id"]
        link = body.get("@odata.nextLink")
        assert (link is not None) == (number > 25)
        rest = await read_all(http, link) if link else []
        assert len(body["value"]) + len(rest) == number
    assert double.requests.batches == 1
    # A part counts as a request, and the batch itself does not.
    assert double.requests.by_area() == {Area.CATALOG: 24}


async def test_a_part_has_its_own_headers(double: Double, http: httpx.AsyncClient) -> None:
    headers = {"client-request-id": "part", "Accept": "application/json;odata.metadata=full"}
    answers = await send(http, [part("1", f"{CATALOG}/1", headers=headers)])
    assert answers["1"]["headers"]["client-request-id"] == "part"
    assert answers["1"]["body"]["@odata.type"].endswith("deviceManagementConfigurationPolicy")
    assert double.requests.log[-1].client_request_id == "part"


async def test_a_part_that_depends_on_a_failed_one_fails(http: httpx.AsyncClient) -> None:
    answers = await send(
        http,
        [
            part("a", f"{CATALOG}/1"),
            part("b", f"{CATALOG}/unknown"),
            part("c", f"{CATALOG}/1", dependsOn=["a"]),
            part("d", f"{CATALOG}/1", dependsOn=["b"]),
        ],
    )
    assert {key: one["status"] for key, one in answers.items()} == {
        "a": 200,
        "b": 404,
        "c": 200,
        "d": 424,
    }


async def test_a_batch_has_a_version(http: httpx.AsyncClient) -> None:
    assert (await send(http, [part("1", CATALOG)], "v1.0"))["1"]["status"] == 400
    assert (await send(http, [part("1", "/groups")], "v1.0"))["1"]["status"] == 200


@pytest.mark.parametrize(
    "payload",
    [
        {"requests": [part(str(number), CATALOG) for number in range(21)]},
        {"requests": [part("1", CATALOG), part("1", CATALOG)]},
        {"requests": [part("1", CATALOG, dependsOn=["unknown"])]},
        {"requests": [{"method": "GET", "url": CATALOG}]},
        {"requests": ["text"]},
        {},
        [],
    ],
)
async def test_a_batch_that_graph_does_not_take_is_refused(
    http: httpx.AsyncClient, payload: Any
) -> None:
    answer = await http.post("/beta/$batch", json=payload)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "BadRequest"


async def test_a_batch_without_a_token_fails_as_a_whole(double: Double) -> None:
    async with open_http(double) as http:
        answer = await http.post("/beta/$batch", json={"requests": [part("1", CATALOG)]})
    assert answer.status_code == 401
