from collections.abc import AsyncIterator

import pytest

from tests.graph import Double, graph_double
from tests.graph.samples import sample_policies
from tests.workers.providers.graph.reading import Reader, reading


@pytest.fixture
async def double() -> AsyncIterator[Double]:
    async with graph_double(policies=sample_policies(60)) as double:
        yield double


@pytest.fixture
async def reader(double: Double) -> AsyncIterator[Reader]:
    async with reading(double) as reader:
        yield reader
