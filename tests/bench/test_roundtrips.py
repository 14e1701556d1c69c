"""The proxy that counts SQL round trips, in front of a real Postgres."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import make_url

from bench.roundtrips import RoundTrips, counted_round_trips
from opsrun.dev.embedded import EmbeddedServers


@pytest.fixture
async def round_trips(servers: EmbeddedServers) -> AsyncIterator[RoundTrips]:
    url = make_url(servers.postgres_url)
    assert url.host is not None
    assert url.port is not None
    async with counted_round_trips(url.host, url.port) as counted:
        yield counted


@pytest.fixture(params=["disable", "prefer"])
async def database(
    request: pytest.FixtureRequest, round_trips: RoundTrips, servers: EmbeddedServers
) -> AsyncIterator[asyncpg.Connection]:
    """A connection through the proxy, which asks for TLS or not."""
    url = make_url(servers.postgres_url).set(port=round_trips.port)
    dsn = url.render_as_string(hide_password=False)
    connection = await asyncpg.connect(dsn, ssl=request.param)
    yield connection
    await connection.close()


async def test_several_statements_in_one_message_are_one_round_trip(
    round_trips: RoundTrips, database: asyncpg.Connection
) -> None:
    before = round_trips.count
    await database.execute("BEGIN; SELECT 1; SELECT 2; COMMIT")
    assert round_trips.count - before == 1


async def test_preparing_a_statement_is_one_more_round_trip(
    round_trips: RoundTrips, database: asyncpg.Connection
) -> None:
    before = round_trips.count
    statement = await database.prepare("SELECT $1::int")
    assert round_trips.count - before == 1
    assert await statement.fetchval(7) == 7
    assert round_trips.count - before == 2


async def test_many_and_large_rows_are_one_round_trip(
    round_trips: RoundTrips, database: asyncpg.Connection
) -> None:
    statement = await database.prepare(
        "SELECT repeat('Z', 1000 * i) FROM generate_series(1, 100) i"
    )
    before = round_trips.count
    rows = await statement.fetch()
    assert [len(row[0]) for row in rows] == [1000 * i for i in range(1, 101)]
    assert round_trips.count - before == 1


async def test_an_error_is_one_round_trip(
    round_trips: RoundTrips, database: asyncpg.Connection
) -> None:
    before = round_trips.count
    with pytest.raises(asyncpg.DivisionByZeroError):
        await database.execute("SELECT 1/0")
    assert round_trips.count - before == 1
