"""Calls to a load generator's process."""

import asyncio

import pytest

from bench.load.process import open_generator


async def test_a_generator_keeps_its_state_between_calls() -> None:
    async with open_generator("bench.load.websockets") as generator:
        assert await generator.call("begin") is None
        assert await generator.call("count") == 0
        assert (await generator.call("result"))["messages"] == 0


async def test_a_failed_generator_ends_the_benchmark(unused_tcp_port: int) -> None:
    async with open_generator("bench.load.http") as generator:
        with pytest.raises(RuntimeError, match="failed at 'answer'"):
            await generator.call("answer", port=unused_tcp_port, request="")


async def test_a_generator_ends_with_its_block() -> None:
    async with open_generator("bench.load.http") as generator:
        process = generator._process
        assert process.returncode is None
    async with asyncio.timeout(10):
        assert await process.wait() != 0
