"""The commands of concurrent callers, sent together over one connection."""

import asyncio
from typing import Any

import hiredis
from redis.asyncio import ConnectionPool
from redis.exceptions import ReadOnlyError, ResponseError

# Seconds in which Redis must answer all commands of one batch.
ANSWER_SECONDS = 0.5

_CLOSED = "The connection to Redis was closed."

_Command = tuple[str | int, ...]


class Pipeline:
    """One connection that many callers use at a time.

    Commands that arrive while others are on their way wait for their replies and are then sent as
    one batch. Each command is sent at most once, so a caller never spends twice.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        """Prepare a connection of `pool`, without connecting."""
        self._pool = pool
        self._connection = pool.make_connection()  # type: ignore[no-untyped-call]
        self._waiting: list[tuple[_Command, asyncio.Future[Any]]] = []
        self._sending: asyncio.Task[None] | None = None

    async def send(self, *command: str | int) -> Any:
        """Send a command and return its reply.

        Raises:
            OUTAGE: Redis refused the command, or took longer than `ANSWER_SECONDS`.
        """
        reply = asyncio.get_running_loop().create_future()
        self._waiting.append((command, reply))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_batches())
        return await reply

    async def aclose(self) -> None:
        """Close the connection; callers that still wait get a ConnectionError."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait([self._sending])
        _fail(self._waiting, ConnectionError(_CLOSED))
        await self._connection.disconnect(nowait=True)

    async def _send_batches(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                await self._send_batch(batch)
        finally:
            self._sending = None

    async def _send_batch(self, batch: list[tuple[_Command, asyncio.Future[Any]]]) -> None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                # Connects, and replaces a connection that the server has closed.
                await self._pool.ensure_connection(self._connection)
                # Its stub declares a tuple of one.
                commands = [hiredis.pack_command(command) for command, _ in batch]  # type: ignore[arg-type]
                await self._connection.send_packed_command(commands)
                for _, reply in batch:
                    await self._receive(reply)
        except asyncio.CancelledError:
            _fail(batch, ConnectionError(_CLOSED))
            raise
        except Exception as error:  # noqa: BLE001 - the callers get it
            # Callers that wait would only wait for the same outage.
            batch += self._waiting
            self._waiting.clear()
            _fail(batch, error)
            # Replies to these commands may still arrive.
            await self._connection.disconnect(nowait=True)

    async def _receive(self, reply: asyncio.Future[Any]) -> None:
        try:
            value = await self._connection.read_response()
        except ReadOnlyError:
            # After a failover, only a new connection leads to the primary.
            raise
        except ResponseError as error:
            # Redis refused this command; the others have separate replies.
            _fail([((), reply)], error)
        else:
            if not reply.done():  # else its caller has left
                reply.set_result(value)


def _fail(batch: list[tuple[_Command, asyncio.Future[Any]]], error: Exception) -> None:
    for _, reply in batch:
        if not reply.done():
            reply.set_exception(error)
