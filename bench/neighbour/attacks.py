"""What a member may try: `python -m bench.neighbour.attacks NAME URL TOKEN TENANT`.

Each attack is a process of its own that runs until it is killed, at the lowest priority, so that
the CPU which the attacker's own machine would take is not missing here.
"""

import asyncio
import itertools
import os
import sys
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any

from bench.neighbour.clients import (
    PATH,
    START,
    WATCH,
    Socket,
    ask,
    http_client,
    open_socket,
)
from bench.neighbour.process import HUNG
from bench.neighbour.stage import BIG, BIG_SCOPES, HUNG_SCOPES, MANY

_CLIENTS = 12
_HEAVY = """subscription Heavy%d ($t: ID!) { operationRuns(tenantId: $t) { __typename
  ... on OperationRunChanged { cursor run { id runType context
    related { __typename } failureGroups { reasonCode count }
    failures(first: 100) { nodes { itemKey message } } } } } }"""
_HUGE = """query ($t: ID!) { tenant(id: $t) { operationRuns(first: 100) { nodes {
  id runType statusBucket subject context counts { total processed succeeded failed skipped }
  initiator { name } events(first: 20) { nodes { kind } } failureGroups { reasonCode count }
} } } }"""


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to attack, and as whom."""

    url: str
    token: str
    tenant: str

    @property
    def headers(self) -> dict[str, str]:
        """What signs the attacker in."""
        return {"Authorization": f"Bearer {self.token}"}


async def _crowd(target: Target, requests: Callable[[], Any]) -> None:
    """Send requests over many connections, each at once after the answer before."""

    async def client() -> None:
        async with http_client(target.url, target.headers) as http:
            while True:
                with suppress(Exception):
                    response = await http.post(PATH, json=requests())
                    if response.status_code == 429:
                        # Only a client that wants to be seen as an attacker asks sooner.
                        await asyncio.sleep(0.05)

    await asyncio.gather(*(client() for _ in range(_CLIENTS)))


async def refused_documents(target: Target) -> None:
    """Documents with hundreds of faults, each another one."""
    numbers = itertools.count()

    def document() -> dict[str, str]:
        n = next(numbers)
        faults = (
            " ".join(f"...F{i}" for i in range(290)),
            " ".join(f"... on OperationRunn{i} {{ id }}" for i in range(280)),
            " ".join(f"viewerr{i}" for i in range(900)),
            'tenant(id: "x") { operationRuns(filter: {'
            + " ".join(f"statusBucketz{i}: 1" for i in range(440))
            + "}) { nodes { id } } }",
            " ".join(f"... {{ a{i}: viewer {{ name }} }}" for i in range(45)),
        )
        return {"query": f"{{ __typename x{n}: {faults[n % len(faults)]} }}"}

    await _crowd(target, document)


async def refused_variables(target: Target) -> None:
    """Variables with thousands of faults."""
    query = """query ($t: ID!, $f: OperationRunFilter) { tenant(id: $t) {
      operationRuns(filter: $f) { nodes { id } } } }"""
    wrong = (
        {"statusBuckets": ["SUCCEEDEDD"] * 15_000},
        {f"statusBucketz{i}": 1 for i in range(900)},
        {"runTypes": ["x"] * 15_000},
    )
    filters = itertools.cycle(wrong)
    await _crowd(
        target,
        lambda: {"query": query, "variables": {"t": target.tenant, "f": next(filters)}},
    )


async def huge_pages(target: Target) -> None:
    """The largest pages that there are."""
    await _crowd(target, lambda: {"query": _HUGE, "variables": {"t": target.tenant}})


async def starts(target: Target) -> None:
    """One start after the other, of the same work and of other work."""
    scopes = itertools.cycle((MANY, "no-such-scope"))
    await _crowd(
        target,
        lambda: {"query": START, "variables": {"t": target.tenant, "s": next(scopes)}},
    )


async def heavy_subscriptions(target: Target) -> None:
    """A hundred subscriptions, none like the other, that ask for everything of each event."""
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        for number in range(2):
            socket = await stack.enter_async_context(open_socket(target.url, target.headers))
            for place in range(50):
                await socket.subscribe(_HEAVY % (50 * number + place), t=target.tenant)
            tasks.create_task(_drain(socket))
        tasks.create_task(_sync(target, MANY))


async def subscription_bursts(target: Target) -> None:
    """A thousand subscriptions on ten sockets at once, again and again."""

    async def burst() -> None:
        async with open_socket(target.url, target.headers) as socket:
            for _ in range(100):
                await socket.subscribe(WATCH, t=target.tenant)
            for _ in range(100):
                await socket.receive()

    while True:
        await asyncio.gather(*(burst() for _ in range(10)), return_exceptions=True)


async def slow_readers(target: Target) -> None:
    """Sockets whose client reads nothing, while there is much to tell."""
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        for _ in range(50):
            socket = await stack.enter_async_context(open_socket(target.url, target.headers))
            await socket.subscribe(_HEAVY % 0, t=target.tenant)
        tasks.create_task(_sync(target, MANY))


async def big_files(target: Target) -> None:
    """Files of 15 MB with five million values."""
    await asyncio.gather(*(_sync(target, f"{BIG}{n}") for n in range(BIG_SCOPES)))


async def hung_folders(target: Target) -> None:
    """As many scopes as workers take at a time of one tenant, and none of them answers."""
    await asyncio.gather(*(_sync(target, f"{HUNG}{n}") for n in range(HUNG_SCOPES)))


async def _sync(target: Target, scope: str) -> None:
    """Have a scope synced without a pause."""
    async with http_client(target.url, target.headers) as http:
        while True:
            with suppress(Exception):
                await ask(http, START, t=target.tenant, s=scope)
            await asyncio.sleep(0.1)


async def _drain(socket: Socket) -> None:
    while True:
        with suppress(KeyError):
            await socket.connection.recv()


# Those of the API are charged in points; the workers' are bounded by what a tenant may run.
OF_THE_API: tuple[Callable[[Target], Coroutine[Any, Any, None]], ...] = (
    refused_documents,
    refused_variables,
    huge_pages,
    starts,
    heavy_subscriptions,
    subscription_bursts,
    slow_readers,
)
OF_THE_WORKER = (big_files, hung_folders)
ATTACKS = {attack.__name__: attack for attack in (*OF_THE_API, *OF_THE_WORKER)}

if __name__ == "__main__":
    os.nice(19)
    name, *where = sys.argv[1:]
    asyncio.run(ATTACKS[name](Target(*where)))
