"""Many transactions on few connections: however one ends, the next one inherits no tenant.

A seed decides which tenant is read, how the transaction ends, and when.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.tenancy.roles import TenantRole
from domain.tenancy.session import Session
from domain.tenancy.transactions import Transactions
from opsrun.postgres.engines import Login, open_engine
from tests.ledger import count_rows
from tests.world import World

REQUESTS = 150
AT_ONCE = 6
PATIENCE = 60.0
SETTINGS = (
    "SELECT current_setting('opsrun.tenant_id', true), current_setting('opsrun.user_id', true),"
    " current_setting('opsrun.claimed_slugs', true)"
)
CLAIM = text("SELECT set_config('opsrun.claimed_slugs', :slug, true)")
# Read without a condition: only row level security hides the other tenant's rows.
TABLES = ("operation_run", "run_event", "notification", "run_failure")


async def end_well(_: Session) -> None:
    """Continue."""


async def end_refused(session: Session) -> None:
    """Run a statement that fails."""
    await session.execute(text("SELECT 1 / 0"))


async def end_in_python_error(_: Session) -> None:
    """Raise outside the database."""
    raise ZeroDivisionError


async def end_cancelled_at_the_next_wait(_: Session) -> None:
    """Cancel the next statement or the commit."""
    own_task().cancel()


async def end_cancelled_in_a_statement(session: Session) -> None:
    """Cancel a statement while the server executes it."""
    asyncio.get_running_loop().call_later(0.002, own_task().cancel)
    await session.execute(text("SELECT pg_sleep(60)"))


async def end_cut_off(session: Session) -> None:
    """Terminate the connection."""
    await session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))


def own_task() -> asyncio.Task[Any]:
    """Return the task that calls this."""
    task = asyncio.current_task()
    assert task is not None
    return task


ENDS: tuple[Callable[[Session], Awaitable[None]], ...] = (
    end_well,
    end_refused,
    end_in_python_error,
    end_cancelled_at_the_next_wait,
    end_cancelled_in_a_statement,
    end_cut_off,
)


@asynccontextmanager
async def watched_engine(url: str, pool_size: int) -> AsyncIterator[tuple[AsyncEngine, list[Any]]]:
    """Open a small pool, and collect each connection's settings at checkout."""
    collected: list[Any] = []

    def look(connection: Any, *_: object) -> None:
        collected.append(tuple(connection.run_async(lambda driver: driver.fetchrow(SETTINGS))))

    async with open_engine(url, pool_size=pool_size) as engine:
        event.listen(engine.sync_engine, "checkout", look)
        yield engine, collected


async def read(
    transactions: Transactions, random: Random, world: World, rows: dict[str, int]
) -> None:
    """Read everything visible in a tenant, each table in one message, and end at a random step."""
    end, ends_after = random.choice(ENDS), random.randrange(len(TABLES))

    async def query(session: Session) -> None:
        for step, table in enumerate(random.sample(TABLES, len(TABLES))):
            statement = text(f"SELECT tenant_id, count(*) AS rows FROM opsrun.{table} GROUP BY 1")
            seen = {row.tenant_id: row.rows for row in await session.rows(statement)}
            assert seen == {world.tenant_id: rows[table]}, table
            if step == ends_after:
                await end(session)

    await transactions.read(query, await world.access(random.choice([*TenantRole])))


async def request(
    transactions: Transactions, random: Random, world: World, rows: dict[str, int]
) -> None:
    """Read everything visible, in a tenant or in none, and end at a random step."""
    if random.random() < 0.3:
        await read(transactions, random, world, rows)
        return
    tenant_id = random.choice((world.tenant_id, world.tenant_id, None))
    user = world.members[random.choice([*TenantRole])]
    end, ends_after = random.choice(ENDS), random.randrange(len(TABLES))
    if random.random() < 0.2:
        # This can be while it waits for a connection or enters the tenant.
        asyncio.get_running_loop().call_later(random.uniform(0, 0.01), own_task().cancel)
    async with (
        transactions.installation(user.id)
        if tenant_id is None
        else transactions.tenant(tenant_id, user.id, snapshot=random.random() < 0.5)
    ) as session:
        await session.execute(CLAIM, {"slug": world.slug})
        for step, table in enumerate(random.sample(TABLES, len(TABLES))):
            query = text(f"SELECT tenant_id, count(*) AS rows FROM opsrun.{table} GROUP BY 1")
            seen = {row.tenant_id: row.rows for row in await session.rows(query)}
            assert seen == ({tenant_id: rows[table]} if tenant_id else {}), table
            if step == ends_after:
                await end(session)


@pytest.mark.parametrize("pool_size", [1, 2])
@pytest.mark.parametrize("seed", [1, 2])
async def test_every_transaction_under_load_sees_its_tenant_alone(
    neighbours: tuple[World, World], logins: dict[Login, str], pool_size: int, seed: int
) -> None:
    random = Random(seed)  # noqa: S311 - repeatable, not a secret
    rows = [await count_rows(world) for world in neighbours]
    ended: Counter[str] = Counter()
    async with (
        asyncio.timeout(PATIENCE),
        watched_engine(logins[Login.API], pool_size) as (engine, collected),
    ):
        transactions = Transactions(engine)

        async def send_requests(_: int) -> None:
            for _ in range(REQUESTS // AT_ONCE):
                which = random.randrange(2)
                (result,) = await asyncio.gather(
                    request(transactions, random, neighbours[which], rows[which]),
                    return_exceptions=True,
                )
                if isinstance(result, AssertionError):
                    raise result
                ended[type(result).__name__] += 1

        await asyncio.gather(*map(send_requests, range(AT_ONCE)))
        async with engine.connect():
            pass  # collects the settings that the last one left
    assert {setting for settings in collected for setting in settings} <= {None, ""}
    assert len(collected) > REQUESTS / 2
    assert {*ended} == {
        "NoneType",
        "DivisionByZeroError",
        "ZeroDivisionError",
        "CancelledError",
        "DatabaseUnavailableError",
    }
    assert min(ended.values()) > REQUESTS / 50
