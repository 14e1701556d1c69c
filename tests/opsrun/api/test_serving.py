"""`opsrun api` serves, and stops cleanly while clients are connected."""

import asyncio
import json
import re
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from time import monotonic

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from domain.tenancy.roles import TenantRole
from opsrun.api.listening import listening_socket
from opsrun.postgres.engines import Login
from opsrun.settings import Settings
from tests.client import SSE, User, WebSocket, open_http
from tests.opsrun.commands import Command, running
from tests.opsrun.conftest import Installation
from tests.world import World

FEED = """subscription($tenant: ID!) { operationRuns(tenantId: $tenant) { __typename } }"""


@asynccontextmanager
async def api(installation: Installation, **settings: str) -> AsyncIterator[tuple[Command, str]]:
    """Run the API on a free port; yield the command and its URL."""
    environment = installation.environment(Login.API, PORT="0", **settings)
    async with running("api", environment=environment, folder=installation.folder) as command:
        said = await command.prints("Listening on ")
        match = re.search(r"http://127\.0\.0\.1:\d+", said)
        assert match is not None
        yield command, match[0]


async def test_it_serves_queries_health_and_graphiql(
    installation: Installation, place: World
) -> None:
    async with api(installation) as (_, base):
        async with User.signed_in(base, place.token(TenantRole.READONLY)) as user:
            assert (user.tenant_id, user.role) == (place.global_id, "READONLY")
        async with open_http(base) as http:
            assert (await http.get("/healthz")).json() == {"status": "ok"}
            assert (await http.get("/readyz")).json()["checks"]["database"] == "ok"
            refused = await http.post("/graphql", json={"query": "{ viewer { name } }"})
            assert refused.status_code == 401
            assert refused.headers["x-content-type-options"] == "nosniff"
            assert "server" not in refused.headers
            assert (await http.get("/graphiql/")).status_code == 200


async def test_it_warns_that_a_local_key_signs_tokens(installation: Installation) -> None:
    async with api(installation) as (command, _):
        warned = [line for line in command.lines if "OPSRUN_OIDC_ISSUER is not set" in line]
        assert len(warned) == 1
        assert "WARNING" in warned[0]
    issuer = {
        "OIDC_ISSUER": "https://id.example.com",
        "OIDC_AUDIENCE": "opsrun",
        "OIDC_JWKS_URL": "https://id.example.com/keys",
        "LOCAL_KEY": "",
    }
    async with api(installation, **issuer) as (command, _):
        assert "OPSRUN_OIDC_ISSUER" not in command.output


async def test_it_serves_pages_of_the_origins_that_are_listed(installation: Installation) -> None:
    listed = "https://hub.example"
    async with (
        api(installation, ALLOWED_ORIGINS=listed) as (_, base),
        open_http(base) as http,
    ):
        for origin, allowed in ((listed, listed), ("https://evil.example", None)):
            answer = await http.post("/graphql", headers={"Origin": origin})
            assert answer.headers.get("access-control-allow-origin") == allowed


async def test_it_serves_the_hub_of_a_folder(installation: Installation, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("the hub")
    async with (
        api(installation, HUB_FOLDER=str(tmp_path)) as (_, base),
        open_http(base) as http,
    ):
        assert (await http.get("/")).text == "the hub"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_stops_quickly_with_a_websocket_and_a_stream_open(
    installation: Installation, place: World, number: signal.Signals
) -> None:
    async with (
        api(installation) as (command, base),
        User.signed_in(base, place.token()) as user,
        user.websocket() as websocket,
        user.subscribe(SSE, FEED, {"tenant": place.global_id}) as stream,
    ):
        await websocket.subscribe(FEED, {"tenant": place.global_id})
        await websocket.receive()
        assert (await stream.next())["__typename"] == "FeedReset"

        code, seconds = await command.stop(number)

        assert (code, seconds < 3) == (0, True), f"{code} after {seconds} s"
        async with asyncio.timeout(5):
            with pytest.raises(ConnectionClosed) as closed:
                await websocket.receive()
            with pytest.raises(StopAsyncIteration):
                await stream.message()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1012, "Service Restart")
        assert "Traceback" not in command.output
        assert "ERROR" not in command.output


async def test_it_keeps_serving_but_is_not_ready_until_a_second_signal(
    installation: Installation, place: World
) -> None:
    async with (
        api(installation, DRAIN_SECONDS="60") as (command, base),
        User.signed_in(base, place.token()) as user,
        user.websocket() as early,
        open_http(base) as http,
    ):
        assert (await http.get("/readyz")).status_code == 200
        command.process.send_signal(signal.SIGTERM)
        await command.prints("Stopping")
        unready = await http.get("/readyz")
        assert (unready.status_code, unready.json()) == (503, {"status": "stopping"})
        assert (await http.get("/healthz")).status_code == 200
        assert await user.runs() == []
        async with user.websocket() as late:
            connections = (early.connection, late.connection)
            assert [each.state for each in connections] == [State.OPEN] * 2

            code, seconds = await command.stop()

            assert (code, seconds < 3) == (0, True), f"{code} after {seconds} s"
            await asyncio.gather(*(each.wait_closed() for each in connections))
            assert [each.close_code for each in connections] == [1012] * 2
        assert "Traceback" not in command.output
        assert "ERROR" not in command.output


async def test_it_drains_and_then_closes_websockets_one_by_one(
    installation: Installation, place: World
) -> None:
    async def closing(websocket: WebSocket) -> float:
        await websocket.connection.wait_closed()
        assert websocket.connection.close_code == 1012
        return monotonic()

    async with (
        api(installation, DRAIN_SECONDS="2") as (command, base),
        User.signed_in(base, place.token()) as user,
        AsyncExitStack() as stack,
    ):
        websockets = [await stack.enter_async_context(user.websocket()) for _ in range(8)]
        began = monotonic()
        command.process.send_signal(signal.SIGTERM)
        moments = await asyncio.gather(*map(closing, websockets))
        assert min(moments) - began >= 1
        assert 0.05 < max(moments) - min(moments) < 1.5
        assert await command.ends() == 0
        assert "ERROR" not in command.output


@asynccontextmanager
async def request_in_hand(
    base: str, token: str
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]]:
    """Send a request without its body."""
    url = httpx.URL(base)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    body = b'{"query": "{ viewer { name } }"}'
    head = [
        "POST /graphql HTTP/1.1",
        "Host: test",
        f"Authorization: Bearer {token}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Expect: 100-continue",
    ]
    writer.write("\r\n".join([*head, "", ""]).encode())
    # The request is running once its body is read.
    assert b" 100 " in await reader.readuntil(b"\r\n\r\n")
    try:
        yield reader, writer, body
    finally:
        writer.close()


async def test_a_running_request_is_answered(installation: Installation, place: World) -> None:
    async with (
        api(installation) as (command, base),
        request_in_hand(base, place.token()) as (reader, writer, body),
    ):
        command.process.send_signal(signal.SIGTERM)
        await command.prints("Shutting down")
        writer.write(body)
        assert b" 200 " in await reader.readline()
        assert await command.ends() == 0
        assert "ERROR" not in command.output


async def test_a_request_that_outlasts_the_grace_period_gets_503(
    installation: Installation, place: World
) -> None:
    async with (
        api(installation, SHUTDOWN_GRACE_SECONDS="0") as (command, base),
        request_in_hand(base, place.token()) as (reader, _, _),
    ):
        assert (await command.stop())[0] == 0
        answer = (await reader.read()).decode()
        assert " 503 " in answer.splitlines()[0]
        assert "retry-after:" in answer
        assert json.loads(answer.partition("\r\n\r\n")[2])["errors"][0]["message"]
        assert "Traceback" not in command.output


async def test_it_uses_an_inherited_socket(
    installation: Installation, place: World, tmp_path: Path
) -> None:
    """Early requests wait until the server serves."""
    with listening_socket(Settings.model_validate({"port": 0})) as bound:
        base = f"http://127.0.0.1:{bound.getsockname()[1]}"
        bound.set_inheritable(True)
        early = asyncio.create_task(health(base))
        async with running(
            *("api", "--fd", str(bound.fileno())),
            environment=installation.environment(Login.API),
            folder=tmp_path,
            inherit=[bound.fileno()],
        ) as command:
            bound.close()
            assert await early == {"status": "ok"}
            assert base in await command.prints("Listening on ")


async def health(base: str) -> object:
    async with open_http(base, timeout=60) as http:
        return (await http.get("/healthz")).json()
