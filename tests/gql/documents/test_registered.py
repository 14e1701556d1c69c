"""Registered documents run by hash; an API that requires them runs nothing else."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from domain.documents.models import TrustedDocument, sha256_of
from domain.documents.service import forget, register
from opsrun.postgres.engines import Login
from tests.client import WEBSOCKET
from tests.gql.api import RunningApi
from tests.gql.conftest import Serving
from tests.world import World

VIEWER = "query Viewer { viewer { name } }"
FEED = "subscription Feed($t: ID!) { operationRuns(tenantId: $t) { __typename } }"


@pytest.fixture(scope="module")
async def closed(serving: Serving) -> AsyncIterator[RunningApi]:
    """An API that runs registered documents only."""
    async with serving(trusted_documents="required") as running:
        yield running


def named(text: str) -> dict[str, Any]:
    return {"persistedQuery": {"version": 1, "sha256Hash": sha256_of(text)}}


async def test_only_registered_documents_run(closed: RunningApi, world: World) -> None:
    client = closed.member(world)
    text = f"query Own {{ viewer {{ a{uuid4().hex}: name }} }}"
    assert (await client.ask(text)).code == "DOCUMENT_NOT_REGISTERED"
    transactions = world.resources[Login.MAINTENANCE].transactions
    assert await register(transactions, [TrustedDocument("Own", text)]) == 1
    await client.data(text)
    for body in (
        {"extensions": named(text)},
        {"query": "", "extensions": named(text)},
        {"documentId": f"sha256:{sha256_of(text)}"},
    ):
        assert (await client.post(json.dumps(body).encode())).data["viewer"]
    assert (await client.ask(f"{text} ")).status == 400
    assert await forget(transactions, sha256_of(text))


async def test_a_url_or_a_websocket_may_name_a_document(closed: RunningApi, world: World) -> None:
    await register(world.resources[Login.MAINTENANCE].transactions, [TrustedDocument("Feed", FEED)])
    authorization = {"Authorization": f"Bearer {world.token()}"}
    variables = {"t": world.global_id}
    response = await closed.http.get(
        "/graphql",
        params={
            "documentId": f"sha256:{sha256_of(FEED)}",
            "variables": json.dumps(variables),
        },
        headers={**authorization, "Accept": "application/json"},
    )
    # The document is known: it is a subscription, which needs a stream.
    assert response.status_code == 406
    async with closed.member(world).websocket() as websocket:
        for number, payload in enumerate(
            (
                {"query": "", "extensions": named(FEED), "variables": variables},
                {"documentId": f"sha256:{sha256_of(FEED)}", "variables": variables},
                {"query": FEED, "variables": variables},
            )
        ):
            await websocket.send(type="subscribe", id=str(number), payload=payload)
            answer = await websocket.receive()
            assert (answer["type"], answer["id"]) == ("next", str(number))
        unknown: dict[str, Any] = {"query": "", "extensions": named("{ viewer }")}
        for number, payload in enumerate(
            (unknown, {"documentId": "md5:1"}, {"query": VIEWER + " "})
        ):
            await websocket.send(type="subscribe", id=f"bad{number}", payload=payload)
            answer = await websocket.receive()
            assert (answer["type"], answer["id"]) == ("error", f"bad{number}")
            code = answer["payload"][0]["extensions"]["code"]
            assert code == ("BAD_USER_INPUT" if number == 1 else "DOCUMENT_NOT_REGISTERED")


async def test_an_open_api_runs_both(api: RunningApi, world: World) -> None:
    text = f"query Own {{ viewer {{ a{uuid4().hex}: name }} }}"
    client = api.member(world)
    await client.data(text)
    body = json.dumps({"extensions": named(text)}).encode()
    (error,) = (await client.post(body)).body["errors"]
    # Clients look for exactly this before they send the text.
    assert error["message"] == "PersistedQueryNotFound"
    assert error["extensions"]["code"] == "PERSISTED_QUERY_NOT_FOUND"
    assert "opsrun documents add" in error["extensions"]["hint"]
    await register(world.resources[Login.MAINTENANCE].transactions, [TrustedDocument("Own", text)])
    assert (await client.post(body)).status == 200


async def test_without_query_or_hash_there_is_nothing_to_run(api: RunningApi, world: World) -> None:
    client = api.member(world)
    for body in (b"{}", b'{"query": ""}', b'{"query": 7, "documentId": "sha256:a"}'):
        answer = await client.post(body)
        assert (answer.status, answer.code) == (400, "BAD_USER_INPUT")


async def test_a_websocket_without_query_or_hash_is_closed(api: RunningApi, world: World) -> None:
    async with api.member(world).subscribe(WEBSOCKET, "") as stream:
        assert await stream.failure() == "BAD_USER_INPUT"
