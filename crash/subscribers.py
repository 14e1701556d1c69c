"""Subscribers that keep state, lose their connections, and resume by cursor."""

import asyncio
from contextlib import aclosing, suppress
from random import Random
from uuid import UUID

from crash.clients import Clients, RefusedError, RetryableError, Transport
from crash.folds import Fold, Notifications, Subscriber, Watch
from crash.members import Member
from crash.witness import Witness

# Maximum delay of a reconnect: after the client left, and after an error.
_RECONNECT_SECONDS = 0.3
_RETRY_SECONDS = 1.0
# The server closes the connection of a client that reads nothing for 30 seconds.
_STALL_SECONDS = 40.0
_UNLIMITED = 1e6


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
            await self._listen(fold, transport, self._duration(2, 15, random), random)

    async def read_slowly(self, member: Member, transport: Transport, random: Random) -> None:
        """Follow the list, but read nothing for longer than the server waits."""
        fold = Fold(member, self._witness, f"slow reader {len(self.folds)} ({transport})")
        self.folds.append(fold)
        while True:
            seconds = self._duration(_STALL_SECONDS, 2 * _STALL_SECONDS, random)
            await self._listen(fold, transport, seconds, random, _STALL_SECONDS)

    async def resubscribe(self, member: Member, transport: Transport, random: Random) -> None:
        """Subscribe repeatedly without a cursor, each time for a moment."""
        while True:
            fold = Fold(member, self._witness, f"resubscriber ({transport})")
            await self._listen(fold, transport, random.uniform(0.3, 2.5), random)

    async def follow_notifications(
        self, member: Member, transport: Transport, random: Random
    ) -> None:
        """Follow the user's notifications over many connections."""
        notifications = Notifications(member, self._witness, f"recipient ({transport})")
        self.notifications.append(notifications)
        while True:
            await self._listen(notifications, transport, self._duration(2, 15, random), random)

    async def follow_run(
        self, member: Member, run_id: UUID, transport: Transport, random: Random
    ) -> None:
        """Follow one run to its end, over as many connections as it takes."""
        watch = Watch(member, self._witness, f"follower of run {run_id}", run_id)
        is_complete = False
        while not is_complete:
            seconds = self._duration(0.5, 8, random)
            is_complete = await self._listen(watch, transport, seconds, random)
        watch.complete()

    def _duration(self, least: float, most: float, random: Random) -> float:
        return _UNLIMITED if self.calm.is_set() else random.uniform(least, most)

    async def _listen(
        self,
        subscriber: Subscriber,
        transport: Transport,
        seconds: float,
        random: Random,
        pause: float = 0.0,
    ) -> bool:
        """Subscribe for `seconds`, with a pause after each message.

        Returns whether the server completed the subscription.
        """
        member = subscriber.member
        stream = self._clients.stream(member, transport, subscriber.query, subscriber.variables)
        delay = _RECONNECT_SECONDS
        try:
            async with asyncio.timeout(seconds), aclosing(stream) as messages:
                async for message in messages:
                    self._witness.counts["messages"] += 1
                    subscriber.take(message)
                    if pause:
                        await self._pause(pause)
        except TimeoutError:
            pass
        except RetryableError:
            delay = _RETRY_SECONDS
        except RefusedError as error:
            self._clients.record_refusal(member, error)
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
