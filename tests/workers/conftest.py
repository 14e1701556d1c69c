"""Workers and maintenance serve every tenant, so each module starts with an empty ledger."""

import pytest
from sqlalchemy import text

from opsrun.postgres.engines import Login
from opsrun.resources import Resources


@pytest.fixture(scope="module", autouse=True)
async def empty_ledger(resources: dict[Login, Resources]) -> None:
    """Delete the runs that other modules left, in all tenants."""
    async with resources[Login.MAINTENANCE].transactions.installation() as session:
        # Cascades that the connection planned for empty tables would take many seconds.
        await session.execute(text("DISCARD PLANS"))
        await session.execute(text("DELETE FROM opsrun.operation_run"))
