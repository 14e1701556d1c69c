"""Attacks by a member: `python -m bench.neighbour.attacks NAME URL TOKEN TENANT`.

Each attack is a separate process that runs until it is killed. It has the lowest priority, since
a real attacker would not use the CPU of the server's machine.
"""

import asyncio
import itertools
import os
import sys
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from typing import Any

from bench.neighbour.clients import FEED, START, Member, result
from bench.neighbour.process import HUNG
from bench.neighbour.stage import BIG, BIG_SCOPES, HUNG_SCOPES, MANY
from tests.client import WebSocket

_CLIENTS = 12
_HEAVY = """subscription Heavy%d ($t: ID!) { operationRuns(tenantId: $t) { __typename
  ... on OperationRunChanged { cursor run { id runType context
    related { __typename } failureGroups { reasonCode count }
    failures(first: 100) { nodes { itemKey message } } } } } }"""
_HUGE = """query ($t: ID!) { tenant(id: $t) { operationRuns(first: 100) { nodes {
  id runType statusBucket subject context counts { total processed succeeded failed skipped }
  initiator { name } events(first: 20) { nodes { kind } } failureGroups { reasonCode count }
} } } }"""


async def _crowd(member: Member, requests: Callable[[], Any]) -> None:
    """Send requests over many connections, each as soon as the last response is there."""

    async def send() -> None:
        async with member.client() as client:
            while True:
                with suppress(Exception):
                    answer = await client.ask(**requests())
                    if answer.status == 429:
                        # A client that retries sooner gives itself away as an attacker.
                        await asyncio.sleep(0.05)

    await asyncio.gather(*(send() for _ in range(_CLIENTS)))


async def refused_documents(member: Member) -> None:
    """Documents with hundreds of different errors."""
    numbers = itertools.count()

    def document() -> dict[str, str]:
        n = next(numbers)
        errors = (
            " ".join(f"...F{i}" for i in range(290)),
            " ".join(f"... on OperationRunn{i} {{ id }}" for i in range(280)),
            " ".join(f"viewerr{i}" for i in range(900)),
            'tenant(id: "x") { operationRuns(filter: {'
            + " ".join(f"statusBucketz{i}: 1" for i in range(440))
            + "}) { nodes { id } } }",
            " ".join(f"... {{ a{i}: viewer {{ name }} }}" for i in range(45)),
        )
        return {"query": f"{{ __typename x{n}: {errors[n % len(errors)]} }}"}

    await _crowd(member, document)


async def refused_variables(member: Member) -> None:
    """Variables with thousands of errors."""
    query = """query ($t: ID!, $f: OperationRunFilter) { tenant(id: $t) {
      operationRuns(filter: $f) { nodes { id } } } }"""
    wrong = (
        {"statusBuckets": ["SUCCEEDEDD"] * 15_000},
        {f"statusBucketz{i}": 1 for i in range(900)},
        {"runTypes": ["x"] * 15_000},
    )
    filters = itertools.cycle(wrong)
    await _crowd(
        member,
        lambda: {"query": query, "variables": {"t": member.tenant, "f": next(filters)}},
    )


async def huge_pages(member: Member) -> None:
    """The largest pages that the API allows."""
    await _crowd(member, lambda: {"query": _HUGE, "variables": {"t": member.tenant}})


async def starts(member: Member) -> None:
    """One start after another, of existing and unknown scopes."""
    scopes = itertools.cycle((MANY, "no-such-scope"))
    await _crowd(
        member,
        lambda: {"query": START, "variables": {"t": member.tenant, "s": next(scopes)}},
    )


async def heavy_subscriptions(member: Member) -> None:
    """A hundred different subscriptions that select every field of each event."""
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        for number in range(2):
            websocket = await stack.enter_async_context(member.websocket())
            for index in range(50):
                await websocket.subscribe(_HEAVY % (50 * number + index), {"t": member.tenant})
            tasks.create_task(_drain(websocket))
        tasks.create_task(_sync(member, MANY))


async def subscription_bursts(member: Member) -> None:
    """A thousand subscriptions on ten WebSockets at once, repeatedly."""

    async def burst() -> None:
        async with member.websocket() as websocket:
            for _ in range(100):
                await websocket.subscribe(FEED, {"t": member.tenant})
            for _ in range(100):
                await result(websocket)

    while True:
        await asyncio.gather(*(burst() for _ in range(10)), return_exceptions=True)


async def slow_readers(member: Member) -> None:
    """WebSockets whose client reads nothing while many events are sent."""
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        for _ in range(50):
            websocket = await stack.enter_async_context(member.websocket())
            await websocket.subscribe(_HEAVY % 0, {"t": member.tenant})
        tasks.create_task(_sync(member, MANY))


async def big_files(member: Member) -> None:
    """Files of 15 MB with five million values."""
    await asyncio.gather(*(_sync(member, f"{BIG}{n}") for n in range(BIG_SCOPES)))


async def hung_folders(member: Member) -> None:
    """As many hanging scopes as workers execute at a time for one tenant."""
    await asyncio.gather(*(_sync(member, f"{HUNG}{n}") for n in range(HUNG_SCOPES)))


async def _sync(member: Member, scope: str) -> None:
    """Sync a scope repeatedly."""
    async with member.client() as client:
        while True:
            with suppress(Exception):
                await client.data(START, t=member.tenant, s=scope)
            await asyncio.sleep(0.1)


async def _drain(websocket: WebSocket) -> None:
    while True:
        await websocket.connection.recv()


# The cost budget limits attacks on the API. The tenant's concurrency limits those on workers.
API_ATTACKS: tuple[Callable[[Member], Coroutine[Any, Any, None]], ...] = (
    refused_documents,
    refused_variables,
    huge_pages,
    starts,
    heavy_subscriptions,
    subscription_bursts,
    slow_readers,
)
WORKER_ATTACKS = (big_files, hung_folders)
ATTACKS = {attack.__name__: attack for attack in (*API_ATTACKS, *WORKER_ATTACKS)}

if __name__ == "__main__":
    os.nice(19)
    name, *credentials = sys.argv[1:]
    asyncio.run(ATTACKS[name](Member(*credentials)))
