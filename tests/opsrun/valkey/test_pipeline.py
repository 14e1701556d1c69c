"""Concurrent callers share one connection to Redis, and each gets its own reply."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from opsrun.dev.embedded import EmbeddedServers
from opsrun.valkey.pipeline import ANSWER_SECONDS, Pipeline
from opsrun.valkey.pool import OUTAGE, redis_pool
from tests.valkey import Valkey


@asynccontextmanager
async def pipeline_to(url: str) -> AsyncIterator[Pipeline]:
    """Open a pipeline, and close it at the end."""
    pipeline = Pipeline(redis_pool(url))
    try:
        yield pipeline
    finally:
        await pipeline.aclose()


async def test_concurrent_callers_get_their_own_replies_over_one_connection(
    servers: EmbeddedServers,
) -> None:
    async with pipeline_to(servers.redis_url) as pipeline, Redis.from_url(servers.redis_url) as own:
        before = len(await own.client_list())
        replies = await asyncio.gather(*(pipeline.send("ECHO", number) for number in range(500)))
        assert replies == [str(number).encode() for number in range(500)]
        assert len(await own.client_list()) == before + 1


async def test_a_refused_command_fails_alone(servers: EmbeddedServers) -> None:
    key = f"test:{uuid4()}"
    async with pipeline_to(servers.redis_url) as pipeline:
        replies: list[object] = await asyncio.gather(
            pipeline.send("SET", key, "word"),
            pipeline.send("INCR", key),
            pipeline.send("GET", key),
            return_exceptions=True,
        )
    assert (replies[0], replies[2]) == (b"OK", b"word")
    assert isinstance(replies[1], ResponseError)


async def test_a_caller_that_leaves_takes_no_reply_of_another(servers: EmbeddedServers) -> None:
    async with pipeline_to(servers.redis_url) as pipeline:
        for wait in (0, 1, 2, 3):
            leaving = asyncio.create_task(pipeline.send("ECHO", "left"))
            staying = asyncio.create_task(pipeline.send("ECHO", "stayed"))
            for _ in range(wait):
                await asyncio.sleep(0)
            leaving.cancel()
            assert await staying == b"stayed"
            assert await pipeline.send("ECHO", "later") == b"later"


async def test_a_restart_between_two_commands_loses_none(tmp_path: Path) -> None:
    async with Valkey(tmp_path) as valkey, pipeline_to(valkey.url) as pipeline:
        assert await pipeline.send("PING") == b"PONG"
        await valkey.kill()
        with pytest.raises(OUTAGE):
            await pipeline.send("PING")
        await valkey.start()
        assert await pipeline.send("PING") == b"PONG"
        await valkey.kill()
        await valkey.start()
        assert await pipeline.send("PING") == b"PONG"


async def test_a_late_reply_is_dropped_with_its_connection(servers: EmbeddedServers) -> None:
    async with pipeline_to(servers.redis_url) as pipeline, Redis.from_url(servers.redis_url) as own:
        await pipeline.send("PING")
        await own.client_pause(round(ANSWER_SECONDS * 1500))
        with pytest.raises(TimeoutError):
            await pipeline.send("ECHO", "late")
        async with asyncio.timeout(5):
            while True:
                with suppress(TimeoutError):
                    assert await pipeline.send("ECHO", "new") == b"new"
                    break


async def test_during_an_outage_no_caller_waits_twice(servers: EmbeddedServers) -> None:
    async with pipeline_to(servers.redis_url) as pipeline, Redis.from_url(servers.redis_url) as own:
        await pipeline.send("PING")
        await own.client_pause(round(ANSWER_SECONDS * 3000))
        try:
            first = asyncio.create_task(pipeline.send("PING"))
            await asyncio.sleep(0.01)
            second = asyncio.create_task(pipeline.send("PING"))
            with pytest.raises(TimeoutError):
                await first
            assert isinstance(second.exception(), TimeoutError)
        finally:
            await own.client_unpause()
        async with asyncio.timeout(5):
            assert await pipeline.send("ECHO", "new") == b"new"


async def test_closing_fails_the_commands_that_wait(servers: EmbeddedServers) -> None:
    async with pipeline_to(servers.redis_url) as pipeline:
        first = asyncio.create_task(pipeline.send("BLPOP", f"test:{uuid4()}", 0))
        await asyncio.sleep(0.01)
        second = asyncio.create_task(pipeline.send("PING"))
        await asyncio.sleep(0)
    for task in (first, second):
        with pytest.raises(ConnectionError, match="was closed"):
            await task
