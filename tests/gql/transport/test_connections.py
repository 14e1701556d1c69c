"""Long connections are closed at different moments, and closing waits no longer than necessary."""

import asyncio

import pytest

from gql.transport.connections import OpenConnections

FOR_EVER = 3600.0
SOON = 2.0


class Connections(OpenConnections):
    """Open connections, and the moment when each of them ended."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.leave = asyncio.Event()
        self.leaving = asyncio.Event()
        self.ended: list[float] = []
        self.serving = [asyncio.create_task(self.serve(self._stay())) for _ in range(count)]

    async def _stay(self) -> None:
        try:
            await self.leave.wait()
        finally:
            self.leaving.set()
            # A second cancellation would interrupt this.
            await asyncio.sleep(0.01)
            self.ended.append(asyncio.get_running_loop().time())

    async def closing(self, spread: float) -> "asyncio.Task[None]":
        """Start to close them when all are open."""
        await asyncio.sleep(0)
        closing = asyncio.create_task(self.close(1012, spread))
        await asyncio.sleep(0)
        assert self.close_code == 1012
        return closing


async def test_connections_end_at_different_moments() -> None:
    connections = Connections(20)
    await asyncio.wait_for(await connections.closing(0.5), SOON)
    moments = connections.ended
    assert len(moments) == 20
    assert 0.1 < max(moments) - min(moments) < 0.8


@pytest.mark.parametrize("count", [0, 3])
async def test_closing_takes_no_longer_than_the_last_connection(count: int) -> None:
    connections = Connections(count)
    closing = await connections.closing(FOR_EVER)
    connections.leave.set()
    await asyncio.wait_for(closing, SOON)
    assert len(connections.ended) == count


async def test_closing_again_without_spread_ends_the_rest_at_once() -> None:
    connections = Connections(3)
    slowly = await connections.closing(FOR_EVER)
    await asyncio.wait_for(connections.close(1012, 0), SOON)
    await asyncio.wait_for(slowly, SOON)
    assert len(connections.ended) == 3


async def test_a_connection_that_is_cleaning_up_is_not_interrupted() -> None:
    connections = Connections(3)
    closing = await connections.closing(0)
    await connections.leaving.wait()
    for serving in connections.serving:
        serving.cancel()
    await connections.close(1012, 0)
    await closing
    assert len(connections.ended) == 3
