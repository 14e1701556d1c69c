"""Subscribers that keep state, lose their connections, and resume by cursor."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from random import Random
from typing import Any
from uuid import UUID

from crash.clients import Clients, RefusedError, RetryableError, Transport
from crash.folds import Fold, Notifications, Watch
from crash.members import Member
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
# Maximum delay of a reconnect: after the client left, and after an error.
_RECONNECT_SECONDS = 0.3
_RETRY_SECONDS = 1.0
# The server closes the connection of a client that reads nothing for 30 seconds.
_STALL_SECONDS = 40.0
_UNLIMITED = 1e6


@dataclass(frozen=True, slots=True)
class _Connection:
    """A connection to open: it lasts `seconds`, and pauses after each message."""

    member: Member
    transport: Transport
    query: str
    seconds: float
    pause: float = 0.0


class Subscribers:
    """All subscribers of a round. Once `calm` is set, they stay connected and read fast."""

    def __init__(self, clients: Clients, witness: Witness) -> None:
        self._clients = clients
        self._witness = witness
        self.folds: list[Fold] = []
        self.notifications: list[Notifications] = []
        self.calm = asyncio.Event()

    async def follow(self, member: Member, transport: Transport, random: Random) -> None:
        """Follow the list over many connections, by cursor."""
        fold = Fold(member, self._witness, f"follower {len(self.folds)} ({transport})")
        self.folds.append(fold)
        while True:
            await self._follow_once(fold, transport, self._duration(2, 15, random), random)

    async def read_slowly(self, member: Member, transport: Transport, random: Random) -> None:
        """Follow the list, but read nothing for longer than the server waits."""
        fold = Fold(member, self._witness, f"slow reader {len(self.folds)} ({transport})")
        self.folds.append(fold)
        while True:
            seconds = self._duration(_STALL_SECONDS, 2 * _STALL_SECONDS, random)
            await self._follow_once(fold, transport, seconds, random, _STALL_SECONDS)

    def _duration(self, least: float, most: float, random: Random) -> float:
        return _UNLIMITED if self.calm.is_set() else random.uniform(least, most)

    async def resubscribe(self, member: Member, transport: Transport, random: Random) -> None:
        """Subscribe repeatedly without a cursor, each time for a moment."""
        while True:
            fold = Fold(member, self._witness, f"resubscriber ({transport})")
            await self._follow_once(fold, transport, random.uniform(0.3, 2.5), random)

    async def follow_notifications(
        self, member: Member, transport: Transport, random: Random
    ) -> None:
        """Follow the user's notifications over many connections."""
        notifications = Notifications(member, self._witness)
        self.notifications.append(notifications)
        while True:
            connection = _Connection(
                member, transport, _NOTIFICATIONS, self._duration(2, 15, random)
            )
            variables = {"tenant": member.global_id, "after": notifications.cursor}
            await self._listen(connection, variables, random, notifications.take)

    async def follow_run(
        self, member: Member, run_id: UUID, transport: Transport, random: Random
    ) -> None:
        """Follow one run to its end, over as many connections as it takes."""
        watch = Watch(member, self._witness, run_id)
        run = GlobalId("OperationRun", member.tenant_id, run_id.hex).encode()
        is_complete = False
        while not is_complete:
            connection = _Connection(member, transport, _ONE, self._duration(0.5, 8, random))
            variables = {"run": run, "after": watch.cursor}
            is_complete = await self._listen(connection, variables, random, watch.take)
        watch.complete()

    async def _follow_once(
        self, fold: Fold, transport: Transport, seconds: float, random: Random, pause: float = 0.0
    ) -> None:
        connection = _Connection(fold.member, transport, _LIST, seconds, pause)
        variables = {"tenant": fold.member.global_id, "after": fold.cursor}
        await self._listen(connection, variables, random, fold.take)

    async def _listen(
        self,
        connection: _Connection,
        variables: Mapping[str, Any],
        random: Random,
        take: Callable[[Any], None],
    ) -> bool:
        """Pass on the messages of one connection; return whether the server completed it."""
        stream = self._clients.stream(
            connection.member, connection.transport, connection.query, variables
        )
        delay = _RECONNECT_SECONDS
        try:
            async with asyncio.timeout(connection.seconds), aclosing(stream) as messages:
                async for message in messages:
                    self._witness.counts["messages"] += 1
                    take(message)
                    if connection.pause:
                        await self._pause(connection.pause)
        except TimeoutError:
            pass
        except RetryableError:
            delay = _RETRY_SECONDS
        except RefusedError as error:
            self._clients.record_refusal(connection.member, error)
            delay = _RETRY_SECONDS
        else:
            return True
        self._witness.counts["reconnects"] += 1
        await asyncio.sleep(random.uniform(0, delay))
        return False

    async def _pause(self, seconds: float) -> None:
        if not self.calm.is_set():
            self._witness.counts["pauses in reading"] += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self.calm.wait(), seconds)
