"""Fixtures for the tests of raw HTTP."""

from collections.abc import AsyncIterator

import pytest

from tests.gql.transport.demo import Demo, serve


@pytest.fixture(scope="module")
async def demo() -> AsyncIterator[Demo]:
    """The demo server with default settings."""
    async with serve() as running:
        yield running
