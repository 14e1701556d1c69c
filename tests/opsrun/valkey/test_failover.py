"""A failover of Redis behind a stable address: wake-ups, budgets and the queue follow it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from redis.exceptions import ReadOnlyError
from taskiq.message import BrokerMessage

from opsrun.valkey import wakeups as wakeups_module
from opsrun.valkey.pipeline import Pipeline
from opsrun.valkey.pool import redis_pool
from opsrun.valkey.wakeups import RedisWakeUps
from tests.listener import Forwarder
from tests.valkey import Valkey
from workers.broker import RunBroker

SOON = 10.0
TOPIC = "topic"


class Pair:
    """A primary and its successor, which have one password, behind one address."""

    def __init__(self, primary: Valkey, successor: Valkey, proxy: Forwarder) -> None:
        self._primary = primary
        self._successor = successor
        self._proxy = proxy
        self._password = urlsplit(primary.url).password or ""
        self.url = f"redis://:{self._password}@127.0.0.1:{proxy.port}/0"

    async def prepare(self) -> None:
        """Give the successor the primary's password."""
        async with Redis.from_url(self._successor.url) as redis:
            await redis.config_set("requirepass", self._password)

    async def demote(self) -> None:
        """Make the primary a replica, which keeps its connections."""
        async with Redis.from_url(self._primary.url) as redis:
            # Without it, the server would block while it tries to synchronize.
            await redis.config_set("masterauth", self._password)
            await redis.replicaof("127.0.0.1", str(self._successor.port))

    def switch(self) -> None:
        """Let new connections lead to the successor."""
        self._proxy.target = self._successor.port


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    async with (
        Valkey(tmp_path / "primary") as primary,
        Valkey(tmp_path / "successor") as successor,
        Forwarder(primary.port) as proxy,
    ):
        servers = Pair(primary, successor, proxy)
        await servers.prepare()
        yield servers


async def test_wake_ups_leave_a_demoted_server(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(wakeups_module, "CHECK_INTERVAL", 0.2)
    async with RedisWakeUps(pair.url) as wakeups, wakeups.subscribe(TOPIC) as waiter:
        wakeups.nudge(TOPIC)
        assert await waiter.wait(SOON)
        await pair.demote()
        pair.switch()
        assert await waiter.wait(SOON), "a wake-up may have been missed"
        # A process that starts after the failover.
        async with RedisWakeUps(pair.url) as newer:
            newer.nudge(TOPIC)
            assert await waiter.wait(SOON)
    assert "Lost the wake-ups: ReadOnlyError" in caplog.text


async def test_a_process_that_starts_during_a_failover_polls_until_its_end(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    await pair.demote()
    async with RedisWakeUps(pair.url) as wakeups, wakeups.subscribe(TOPIC) as waiter:
        assert wakeups.is_away
        assert "Lost the wake-ups: ReadOnlyError" in caplog.text
        pair.switch()
        assert await waiter.wait(SOON), "a wake-up may have been missed"
        wakeups.nudge(TOPIC)
        assert await waiter.wait(SOON)


async def test_the_queue_leaves_a_demoted_server(pair: Pair) -> None:
    broker = RunBroker(pair.url, queue_name=f"test-{uuid4()}", block=0.05)
    await broker.startup()
    listener = broker.listen()
    try:
        await broker.kick(message(b"before"))
        before = await anext(listener)
        assert before.data == b"before"
        await pair.demote()
        with pytest.raises(ReadOnlyError):
            await broker.kick(message(b"refused"))
        pair.switch()
        await broker.kick(message(b"after"))
        async with asyncio.timeout(SOON):
            after = await anext(listener)
        assert after.data == b"after"
    finally:
        await listener.aclose()
        await broker.shutdown()


async def test_a_command_after_a_refused_one_goes_to_the_primary(pair: Pair) -> None:
    pipeline = Pipeline(redis_pool(pair.url))
    try:
        assert await pipeline.send("INCR", "n") == 1
        await pair.demote()
        with pytest.raises(ReadOnlyError):
            await pipeline.send("INCR", "n")
        pair.switch()
        assert await pipeline.send("INCR", "n") == 1, "the successor has not counted yet"
    finally:
        await pipeline.aclose()


def message(data: bytes) -> BrokerMessage:
    return BrokerMessage(task_id=str(uuid4()), task_name="any", message=data, labels={})
