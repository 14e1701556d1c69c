"""WebSockets and event streams take slots of a user and a tenant until they end."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest
from websockets.exceptions import ConnectionClosed

from domain.errors import RateLimitedError
from domain.tenancy.roles import TenantRole
from gql.limits.slots import Slots
from tests.client import SSE, WEBSOCKET, Client
from tests.gql.api import RunningApi, eventually
from tests.gql.conftest import Serving
from tests.world import World

FEED = "subscription ($t: ID!) { operationRuns(tenantId: $t) { __typename } }"


def test_a_slot_is_taken_once_by_each_connection() -> None:
    slots, ada = Slots(per_user=1, per_tenant=9), uuid4()
    first, second = slots.new(), slots.new()
    first.take(ada)
    first.take(ada)
    with pytest.raises(RateLimitedError, match="1 WebSockets and event streams open"):
        second.take(ada)
    second.take(uuid4())
    first.give_back()
    slots.new().take(ada)


def test_each_tenant_has_its_own_slots() -> None:
    slots, tenant = Slots(per_user=9, per_tenant=2), uuid4()
    first, second, third = slots.new(), slots.new(), slots.new()
    for slot in (first, second, first):
        slot.enter(tenant)
    with pytest.raises(RateLimitedError):
        third.enter(tenant)
    third.enter(uuid4())
    second.give_back()
    third.enter(tenant)


def test_released_slots_leave_no_entries() -> None:
    slots = Slots(per_user=1, per_tenant=1)
    slot = slots.new()
    slot.take(uuid4())
    slot.enter(uuid4())
    slot.give_back()
    slot.give_back()
    assert not slots.taken


@pytest.fixture(scope="module")
async def narrow(serving: Serving) -> AsyncIterator[RunningApi]:
    """An API with two connections per user and three per tenant."""
    async with serving(connections_per_user=2, connections_per_tenant=3) as running:
        yield running


@pytest.mark.parametrize("first", [WEBSOCKET, SSE])
async def test_a_user_cannot_open_more_connections(
    narrow: RunningApi, world: World, first: str
) -> None:
    client, variables = narrow.member(world), {"t": world.global_id}
    async with AsyncExitStack() as stack:
        for transport in (first, WEBSOCKET):
            await _open(stack, client, transport, world)
        async with client.stream(FEED, variables) as response:
            assert response.status_code == 429
            assert response.headers["retry-after"] == "10"
            body = json.loads(await response.aread())
            assert body["errors"][0]["extensions"] == {"code": "RATE_LIMITED", "retryAfter": 10}
        assert await _closing(narrow, world) == 1013
        # Requests need no slot, and other users have theirs.
        await client.data("{ viewer { name } }")
        other = narrow.member(world, TenantRole.OWNER)
        async with other.subscribe(WEBSOCKET, FEED, variables) as stream:
            await stream.next()
    await eventually(lambda: not _taken(narrow))
    async with client.subscribe(first, FEED, variables) as stream:
        await stream.next()


@pytest.mark.parametrize("transport", [WEBSOCKET, SSE])
async def test_a_tenant_cannot_have_more_connections(
    narrow: RunningApi, world: World, transport: str
) -> None:
    variables = {"t": world.global_id}
    members = [TenantRole.OWNER, TenantRole.MANAGER, TenantRole.READONLY]
    async with AsyncExitStack() as stack:
        for role in members:
            await _open(stack, narrow.member(world, role), transport, world)
        async with narrow.member(world).subscribe(transport, FEED, variables) as stream:
            assert await stream.failure() == "RATE_LIMITED"
        # Requests may still read from the tenant.
        await narrow.member(world).data(
            "query ($t: ID!) { tenant(id: $t) { operationRuns { nodes { id } } } }", **variables
        )
    await eventually(lambda: not _taken(narrow))


async def test_a_user_with_too_many_connections_is_audited(
    narrow: RunningApi, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    client = narrow.member(world)
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await _open(stack, client, WEBSOCKET, world)
        with caplog.at_level(logging.INFO, "audit"):
            async with client.subscribe(SSE, FEED, {"t": world.global_id}) as stream:
                assert await stream.failure() == "RATE_LIMITED"
    [record] = [vars(each) for each in caplog.records if each.name == "audit"]
    actor = str(world.members[TenantRole.OPERATOR].id)
    assert (record["error_code"], record["actor_id"]) == ("RATE_LIMITED", actor)
    await eventually(lambda: not _taken(narrow))


async def test_a_stream_that_fails_at_once_releases_its_slot(
    narrow: RunningApi, world: World
) -> None:
    for _ in range(5):
        async with narrow.member(world).subscribe(SSE, FEED, {"t": "nonsense"}) as stream:
            assert await stream.failure() == "BAD_USER_INPUT"
    assert not _taken(narrow)


async def _open(stack: AsyncExitStack, client: Client, transport: str, world: World) -> None:
    """Watch the tenant until the stack closes."""
    stream = await stack.enter_async_context(
        client.subscribe(transport, FEED, {"t": world.global_id})
    )
    await stream.next()
    # Keep a reference, or the stream would be closed.
    stack.callback(lambda: stream)


async def _closing(running: RunningApi, world: World) -> int:
    """Return the code with which a new WebSocket of the operator is closed."""
    with pytest.raises(ConnectionClosed) as closed:
        async with asyncio.timeout(10), running.member(world).websocket():
            pytest.fail("the WebSocket was acknowledged")
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code


def _taken(running: RunningApi) -> bool:
    return bool(running.view.slots.taken)
