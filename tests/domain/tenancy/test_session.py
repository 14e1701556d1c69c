"""Sessions run statements, and only transactions make them."""

import ast
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import NoResultFound

import domain
from opsrun.postgres.engines import Login
from tests.world import World

PRODUCT = Path(domain.__file__).parents[1]
NUMBERS = text("SELECT n, n * 2 AS double FROM generate_series(1, 3) AS n ORDER BY n")
NOTHING = text("SELECT 1 WHERE false")


async def test_a_statement_returns_what_its_method_names(world: World) -> None:
    access = await world.access()
    async with world.resources[Login.API].transactions.tenant(access.tenant_id) as session:
        assert [tuple(row) for row in await session.rows(NUMBERS)] == [(1, 2), (2, 4), (3, 6)]
        assert await session.scalars(NUMBERS) == [1, 2, 3]
        assert (await session.one(text("SELECT 7 AS n"))).n == 7
        assert await session.scalar(text("SELECT :n + 0"), {"n": 7}) == 7
        assert await session.one_or_none(NOTHING) is None
        value: int | None = await session.scalar_or_none(NOTHING)
        assert value is None
        assert await session.rows(NOTHING) == []
        changed = await session.execute(text("UPDATE opsrun.tenant SET retention_days = 7"))
        assert changed == 1
        with pytest.raises(NoResultFound):
            await session.scalar(NOTHING)


async def test_a_session_knows_its_tenant_and_user(world: World) -> None:
    access = await world.access()
    transactions = world.resources[Login.MAINTENANCE].transactions
    async with transactions.tenant(access.tenant_id, access.user_id) as session:
        assert (session.tenant_id, session.user_id) == (access.tenant_id, access.user_id)
    async with transactions.installation() as everything:
        session = everything.within(access.tenant_id)
        assert (session.tenant_id, session.user_id) == (access.tenant_id, None)


def test_only_transactions_make_sessions() -> None:
    makers = {
        path.relative_to(PRODUCT).as_posix()
        for package in ("domain", "gql", "workers", "opsrun")
        for path in (PRODUCT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("Session", "TenantSession", "InstallationSession")
    }
    # An installation's session makes a tenant's session on the same connection.
    assert makers == {"domain/tenancy/session.py", "domain/tenancy/transactions.py"}
