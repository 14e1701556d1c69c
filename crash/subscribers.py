"""Subscribers who fold what they are sent, lose their connections, and go on by cursor."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from random import Random
from typing import Any
from uuid import UUID

from crash.clients import Clients, RefusedError, Transport, UnansweredError
from crash.customers import Customer
from crash.folds import Fold, Telling, Watch
from crash.witness import Witness
from gql.ids import GlobalId

_RUN = "id version status counts { total succeeded failed skipped } context url"
_LIST = f"""subscription ($tenant: ID!, $after: String) {{
  operationRuns(tenantId: $tenant, after: $after) {{
    __typename
    ... on OperationRunChanged {{ change cursor run {{ {_RUN} }} }}
    ... on FeedReset {{ reason cursor runs {{ {_RUN} }} }}
    ... on FeedHeartbeat {{ cursor }}
  }}
}}"""
_ONE = f"""subscription ($run: ID!, $after: String) {{
  operationRun(id: $run, after: $after) {{ kind cursor run {{ {_RUN} }} }}
}}"""
_NOTIFICATIONS = """subscription ($tenant: ID!, $after: String) {
  notifications(tenantId: $tenant, after: $after) { outcome cursor run { id } }
}"""
# How soon a client connects again: after an end of its own will, and after any other.
_AGAIN_SECONDS = 0.3
_AWAY_SECONDS = 1.0
# The server gives up on a client that takes nothing for 30 seconds.
_DOZE_SECONDS = 40.0
_FOR_EVER = 1e6


@dataclass(frozen=True, slots=True)
class _Line:
    """One connection to be: who listens to what, for how long, pausing after each message."""

    customer: Customer
    transport: Transport
    query: str
    seconds: float
    pause: float = 0.0


class Subscribers:
    """All who listen in a round."""

    def __init__(self, clients: Clients, witness: Witness) -> None:
        self._clients = clients
        self._witness = witness
        self.folds: list[Fold] = []
        self.tellings: list[Telling] = []
        self.calm = asyncio.Event()

    async def follow(self, customer: Customer, transport: Transport, random: Random) -> None:
        """Follow the list for ever, over many connections, by cursor."""
        fold = Fold(customer, self._witness, f"follower {len(self.folds)} ({transport})")
        self.folds.append(fold)
        while True:
            await self._follow_once(fold, transport, self._patience(2, 15, random), random)

    async def doze(self, customer: Customer, transport: Transport, random: Random) -> None:
        """Follow the list, but leave what is sent unread for longer than the server waits."""
        fold = Fold(customer, self._witness, f"sleeper {len(self.folds)} ({transport})")
        self.folds.append(fold)
        while True:
            seconds = self._patience(_DOZE_SECONDS, 2 * _DOZE_SECONDS, random)
            await self._follow_once(fold, transport, seconds, random, _DOZE_SECONDS)

    def _patience(self, least: float, most: float, random: Random) -> float:
        return _FOR_EVER if self.calm.is_set() else random.uniform(least, most)

    async def glance(self, customer: Customer, transport: Transport, random: Random) -> None:
        """Subscribe anew and anew without a cursor, each time for a moment."""
        while True:
            fold = Fold(customer, self._witness, f"passer-by ({transport})")
            await self._follow_once(fold, transport, random.uniform(0.3, 2.5), random)

    async def hear(self, customer: Customer, transport: Transport, random: Random) -> None:
        """Listen to the user's notifications for ever, over many connections."""
        telling = Telling(customer, self._witness)
        self.tellings.append(telling)
        while True:
            line = _Line(customer, transport, _NOTIFICATIONS, self._patience(2, 15, random))
            variables = {"tenant": customer.global_id, "after": telling.cursor}
            await self._listen(line, variables, random, telling.take)

    async def watch(
        self, customer: Customer, run_id: UUID, transport: Transport, random: Random
    ) -> None:
        """Follow one run to its end, over as many connections as it takes."""
        watch = Watch(customer, self._witness, run_id)
        run = GlobalId("OperationRun", customer.tenant_id, run_id.hex).encode()
        is_complete = False
        while not is_complete:
            line = _Line(customer, transport, _ONE, self._patience(0.5, 8, random))
            variables = {"run": run, "after": watch.cursor}
            is_complete = await self._listen(line, variables, random, watch.take)
        watch.complete()

    async def _follow_once(
        self, fold: Fold, transport: Transport, seconds: float, random: Random, pause: float = 0.0
    ) -> None:
        line = _Line(fold.customer, transport, _LIST, seconds, pause)
        variables = {"tenant": fold.customer.global_id, "after": fold.cursor}
        await self._listen(line, variables, random, fold.take)

    async def _listen(
        self,
        line: _Line,
        variables: Mapping[str, Any],
        random: Random,
        take: Callable[[Any], None],
    ) -> bool:
        """Pass on what one connection brings; True when the server completed the subscription."""
        stream = self._clients.stream(line.customer, line.transport, line.query, variables)
        again_seconds = _AGAIN_SECONDS
        try:
            async with asyncio.timeout(line.seconds), aclosing(stream) as messages:
                async for message in messages:
                    self._witness.counts["messages"] += 1
                    take(message)
                    if line.pause:
                        await self._pause(line.pause)
        except TimeoutError:
            pass
        except UnansweredError:
            again_seconds = _AWAY_SECONDS
        except RefusedError as error:
            self._clients.refused(line.customer, error)
            again_seconds = _AWAY_SECONDS
        else:
            return True
        self._witness.counts["reconnects"] += 1
        await asyncio.sleep(random.uniform(0, again_seconds))
        return False

    async def _pause(self, seconds: float) -> None:
        if not self.calm.is_set():
            self._witness.counts["pauses in reading"] += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self.calm.wait(), seconds)
