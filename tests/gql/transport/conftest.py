"""A server that needs no database, for what the transports do by themselves."""

from collections.abc import AsyncIterator

import pytest

from tests.gql.transport.demo import Demo, serve


@pytest.fixture(scope="module")
async def demo() -> AsyncIterator[Demo]:
    """The server as it is by default."""
    async with serve() as running:
        yield running
