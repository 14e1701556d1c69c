"""Workers and maintenance serve every tenant, so each module starts with an empty ledger."""

import pytest
from sqlalchemy import text

from opsrun.postgres.engines import Login
from opsrun.resources import Resources

_DELETE_SOME = text(
    "DELETE FROM opsrun.operation_run WHERE (tenant_id, id) IN"
    " (SELECT tenant_id, id FROM opsrun.operation_run LIMIT 5000)"
)


@pytest.fixture(scope="module", autouse=True)
async def empty_ledger(resources: dict[Login, Resources]) -> None:
    """Delete the runs that other modules left, in all tenants."""
    async with resources[Login.MAINTENANCE].transactions.installation() as session:
        # Cascades that the connection planned for empty tables would take many seconds.
        await session.execute(text("DISCARD PLANS"))
        # Other modules may leave more than 100,000 runs, which is too many for one statement.
        while await session.execute(_DELETE_SOME):
            pass
