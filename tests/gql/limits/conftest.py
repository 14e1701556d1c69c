"""An API whose limits are near, over all transports."""

from collections.abc import AsyncIterator

import pytest

from tests.gql.api import RunningApi
from tests.gql.conftest import Serving


@pytest.fixture(scope="session")
async def strict(serving: Serving) -> AsyncIterator[RunningApi]:
    """Small documents, no introspection, no suggestions."""
    async with serving(
        limit_tokens=100,
        limit_depth=6,
        limit_fields=20,
        limit_aliases=3,
        limit_directives=3,
        limit_duplicates=3,
        limit_cost=200,
        operations_per_socket=2,
        introspection=False,
        suggestions=False,
    ) as running:
        yield running
