"""A router of Apollo Federation opens WebSockets for its clients."""

from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from tests.client import open_websocket
from tests.gql.api import RunningApi
from tests.world import World


def from_router(api: RunningApi, token: str, **payload: Any) -> Any:
    """Open a WebSocket as Apollo Router does: with the client's header, and its own payload."""
    return open_websocket(
        str(api.http.base_url).rstrip("/"),
        {"connectionParams": {"token": f"Bearer {token}"}, **payload},
        additional_headers={"Authorization": f"Bearer {token}"},
    )


async def test_a_routers_websocket_has_its_token_in_the_handshake(
    subgraph: RunningApi, world: World
) -> None:
    feed = "subscription ($t: ID!) { operationRuns(tenantId: $t) { __typename } }"
    async with from_router(subgraph, world.token()) as websocket:
        await websocket.subscribe(feed, {"t": world.global_id})
        message = await websocket.receive()
        assert message["payload"]["data"]["operationRuns"] == {"__typename": "FeedReset"}


async def test_a_token_in_the_payload_has_precedence_over_the_handshake(
    subgraph: RunningApi, world: World
) -> None:
    for token, payload in (("garbage", {}), (world.token(), {"authorization": "Bearer garbage"})):
        with pytest.raises(ConnectionClosed) as closed:
            async with from_router(subgraph, token, **payload):
                pass
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4403


async def test_without_federation_the_handshake_holds_no_token(
    api: RunningApi, world: World
) -> None:
    with pytest.raises(ConnectionClosed):
        async with from_router(api, world.token()):
            pass
