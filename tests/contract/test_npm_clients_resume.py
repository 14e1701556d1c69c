"""The npm clients at `opsrun api`: expired tokens, and a restart."""

import asyncio
import socket
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

from domain.tenancy.roles import TenantRole
from gql.ids import GlobalId
from opsrun.api.listening import listening_socket
from opsrun.auth.tokens import LocalTokens
from opsrun.postgres.engines import Login
from opsrun.settings import Settings
from tests.contract.npm_clients import GRAPHQL_SSE, GRAPHQL_WS, PATIENCE, Scenario, scenario
from tests.nodejs import needs_node
from tests.opsrun.api.test_serving import api
from tests.opsrun.commands import Command, running
from tests.opsrun.conftest import Installation, installation, installed, place
from tests.world import LOCAL_KEY, World

__all__ = ["installation", "installed", "place"]

pytestmark = needs_node

CLIENTS = (
    (GRAPHQL_WS, "resuming"),
    (GRAPHQL_SSE, "resumingByVariable"),
    (GRAPHQL_SSE, "resumingByHeader"),
)


async def change(client: Scenario) -> Any:
    """Return the next event that is neither a heartbeat nor a closed WebSocket."""
    while (result := await client.facts()).get("kind") == "FeedHeartbeat" or "closed" in result:
        pass
    return result


async def cut_off_a_handshake(bound: socket.socket) -> None:
    """Close connections without a response, until one of them was for a WebSocket."""
    loop = asyncio.get_running_loop()
    bound.setblocking(False)
    request = b""
    async with asyncio.timeout(PATIENCE):
        while b"Upgrade: websocket" not in request:
            connection, _ = await loop.sock_accept(bound)
            with connection:
                request = await loop.sock_recv(connection, 4096)


async def test_clients_miss_nothing_across_a_restart(
    installation: Installation, place: World, tools: Path
) -> None:
    # The port stays open, so a client that reconnects between the two servers waits.
    with listening_socket(Settings.model_validate({"port": 0})) as bound:
        bound.set_inheritable(True)
        host = f"127.0.0.1:{bound.getsockname()[1]}"

        def server() -> AbstractAsyncContextManager[Command]:
            return running(
                *("api", "--fd", str(bound.fileno())),
                environment=installation.environment(Login.API),
                folder=installation.folder,
                inherit=[bound.fileno()],
            )

        async with AsyncExitStack() as stack:
            async with server() as first:
                await first.prints("Listening on ")
                clients = [
                    await stack.enter_async_context(
                        scenario(tools, package, host, place.token(), name, place.global_id)
                    )
                    for package, name in CLIENTS
                ]
                began = await asyncio.gather(*map(change, clients))
                assert [result.get("kind") for result in began] == ["FeedReset"] * 3, began
                assert (await first.stop())[0] == 0
                assert await clients[0].facts() == {"closed": 1012}
            await cut_off_a_handshake(bound)
            run = (await place.start()).run
            async with server() as second:
                result = await asyncio.gather(*map(change, clients))
                assert [one.get("kind") for one in result] == ["OperationRunChanged"] * 3, result
                assert {GlobalId.decode(one["run"]).uuid_key() for one in result} == {run.id}
                assert "Traceback" not in second.output


async def test_an_expired_token_is_refused(
    installation: Installation, place: World, tools: Path
) -> None:
    user = place.members[TenantRole.OPERATOR]
    expired = LocalTokens(LOCAL_KEY).mint(
        user.subject, name=user.name, lifetime=timedelta(hours=-1)
    )
    async with api(installation) as (_, base):
        host = base.removeprefix("http://")
        async with scenario(tools, GRAPHQL_WS, host, expired, "refusedForGood") as client:
            assert await client.facts() == {"code": 4403, "opened": 0, "closed": [4403]}
        async with scenario(
            tools, GRAPHQL_SSE, host, expired, "refused", "{ __typename }"
        ) as client:
            result = await client.facts()
    assert result["status"] == 401
    assert result["body"]["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
