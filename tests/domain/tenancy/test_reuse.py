"""A storm on few connections: however a transaction ends, the next one inherits no tenant.

Who asks, what goes wrong and when is drawn from a seed.
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
from tests.domain.ledger import count_rows
from tests.world import World

REQUESTS = 150
AT_ONCE = 6
PATIENCE = 60.0
SETTINGS = (
    "SELECT current_setting('opsrun.tenant_id', true), current_setting('opsrun.user_id', true),"
    " current_setting('opsrun.claimed_slugs', true)"
)
CLAIM = text("SELECT set_config('opsrun.claimed_slugs', :slug, true)")
# Without any condition: only the wall keeps the other tenant's rows away.
TABLES = ("operation_run", "run_event", "notification", "run_failure")


async def end_well(_: Session) -> None:
    """Go on."""


async def end_refused(session: Session) -> None:
    """Have the database refuse something."""
    await session.execute(text("SELECT 1 / 0"))


async def end_in_an_error_of_ones_own(_: Session) -> None:
    """Fail without the database's help."""
    raise ZeroDivisionError


async def end_cancelled_at_the_next_wait(_: Session) -> None:
    """Be cancelled in the next statement, or in the commit."""
    itself().cancel()


async def end_cancelled_in_a_statement(session: Session) -> None:
    """Be cancelled while the server works."""
    asyncio.get_running_loop().call_later(0.002, itself().cancel)
    await session.execute(text("SELECT pg_sleep(60)"))


async def end_cut_off(session: Session) -> None:
    """Lose the connection."""
    await session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))


def itself() -> asyncio.Task[Any]:
    """Return the task that calls this."""
    task = asyncio.current_task()
    assert task is not None
    return task


ENDS: tuple[Callable[[Session], Awaitable[None]], ...] = (
    end_well,
    end_refused,
    end_in_an_error_of_ones_own,
    end_cancelled_at_the_next_wait,
    end_cancelled_in_a_statement,
    end_cut_off,
)


@asynccontextmanager
async def watched_engine(url: str, pool_size: int) -> AsyncIterator[tuple[AsyncEngine, list[Any]]]:
    """A small pool, and the settings that every connection had when it was taken from there."""
    found: list[Any] = []

    def look(connection: Any, *_: object) -> None:
        found.append(tuple(connection.run_async(lambda driver: driver.fetchrow(SETTINGS))))

    async with open_engine(url, pool_size=pool_size) as engine:
        event.listen(engine.sync_engine, "checkout", look)
        yield engine, found


async def request(
    transactions: Transactions, random: Random, world: World, rows: dict[str, int]
) -> None:
    """Read all that can be seen, as a member or as nobody's, and come to some end on the way."""
    tenant_id = random.choice((world.tenant_id, world.tenant_id, None))
    user = world.members[random.choice([*TenantRole])]
    end, ends_after = random.choice(ENDS), random.randrange(len(TABLES))
    if random.random() < 0.2:
        # Also while it waits for a connection, or enters the tenant.
        asyncio.get_running_loop().call_later(random.uniform(0, 0.01), itself().cancel)
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
async def test_in_a_storm_everybody_sees_their_own_tenant_alone(
    neighbours: tuple[World, World], logins: dict[Login, str], pool_size: int, seed: int
) -> None:
    random = Random(seed)  # noqa: S311 - it is to be repeated, no secret
    rows = [await count_rows(world) for world in neighbours]
    ended: Counter[str] = Counter()
    async with (
        asyncio.timeout(PATIENCE),
        watched_engine(logins[Login.API], pool_size) as (engine, found),
    ):
        transactions = Transactions(engine)

        async def ask(_: int) -> None:
            for _ in range(REQUESTS // AT_ONCE):
                which = random.randrange(2)
                (result,) = await asyncio.gather(
                    request(transactions, random, neighbours[which], rows[which]),
                    return_exceptions=True,
                )
                if isinstance(result, AssertionError):
                    raise result
                ended[type(result).__name__] += 1

        await asyncio.gather(*map(ask, range(AT_ONCE)))
        async with engine.connect():
            pass  # looks at what the last one left
    assert {setting for settings in found for setting in settings} <= {None, ""}
    assert len(found) > REQUESTS / 2
    assert {*ended} == {
        "NoneType",
        "DBAPIError",
        "ZeroDivisionError",
        "CancelledError",
        "DatabaseUnavailableError",
    }
    assert min(ended.values()) > REQUESTS / 50
