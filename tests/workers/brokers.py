"""Brokers for one test, a receiver of their messages, and a server that never answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from taskiq.acks import AcknowledgeType
from taskiq.receiver import Receiver

from workers.broker import RunBroker


@asynccontextmanager
async def open_broker(broker: RunBroker) -> AsyncIterator[RunBroker]:
    """Start the broker, and shut it down afterwards."""
    await broker.startup()
    try:
        yield broker
    finally:
        await broker.shutdown()


@asynccontextmanager
async def new_broker(url: str) -> AsyncIterator[RunBroker]:
    """Open a broker whose queue no other test uses."""
    async with open_broker(RunBroker(url, queue_name=f"test-{uuid4()}", block=0.05)) as broker:
        yield broker


@asynccontextmanager
async def receiving(
    broker: RunBroker, max_async_tasks: int, slots: asyncio.Semaphore | None = None
) -> AsyncIterator[None]:
    """Execute tasks as `opsrun worker` does; the slots may be those of its runner."""
    receiver = Receiver(
        broker,
        ack_type=AcknowledgeType.WHEN_RECEIVED,
        max_async_tasks=max_async_tasks,
        run_startup=False,
    )
    receiver.sem = slots or receiver.sem
    finish = asyncio.Event()
    task = asyncio.create_task(receiver.listen(finish))
    try:
        yield
        assert not task.done(), "the receiver ended"
    finally:
        finish.set()
        await task


@asynccontextmanager
async def silent_server(connected: asyncio.Event | None = None) -> AsyncIterator[str]:
    """Serve a Redis that never answers, yield its URL, and set `connected` at the first client."""

    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if connected is not None:
            connected.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(read, "127.0.0.1", 0) as server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
