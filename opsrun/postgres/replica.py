"""A hot standby that answers reads of runs (ADR 23)."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import URL, text
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.tenancy.replica import Outcome, ReplicaReads
from domain.tenancy.transactions import Transactions
from opsrun.postgres.engines import Login, open_engine, require_login
from opsrun.postgres.row_level_security import require_row_level_security
from opsrun.postgres.url import parse_url
from opsrun.settings import Settings, SettingsError


@asynccontextmanager
async def open_replica(
    settings: Settings, primary: Transactions
) -> AsyncIterator[ReplicaReads | None]:
    """Open the API's reads of the replica, which may be away; None if no replica is set.

    Raises:
        SettingsError: the replica's URL is not valid.
    """
    if settings.replica_url is None:
        yield None
        return
    with _replica_named():
        url = parse_url(settings.replica_url.get_secret_value())
    async with ReplicaReads(primary, lambda: _connect(settings, url)).connected() as reads:
        yield reads


@asynccontextmanager
async def _connect(settings: Settings, url: URL) -> AsyncIterator[Transactions]:
    with _replica_named():
        async with open_engine(
            url,
            pool_size=settings.database_pool_size,
            statement_timeout_seconds=settings.statement_timeout_seconds,
        ) as engine:
            await require_login(engine, Login.API)
            await require_row_level_security(engine)
            await _require_standby(engine)
            yield Transactions(engine)


async def _require_standby(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        answer = await connection.execute(text("SELECT pg_is_in_recovery()"))
    if not answer.scalar_one():
        raise SettingsError("OPSRUN_REPLICA_URL: This server is not a standby.")


@contextmanager
def _replica_named() -> Iterator[None]:
    """Make the messages about a database's URL name the replica's setting."""
    try:
        yield
    except SettingsError as error:
        message = str(error).replace("OPSRUN_DATABASE_URL", "OPSRUN_REPLICA_URL")
        raise SettingsError(message) from error


class ReplicaMetrics(Collector):
    """Exports how many reads had each outcome."""

    def __init__(self, outcomes: Mapping[Outcome, int]) -> None:
        self._outcomes = outcomes

    def collect(self) -> Iterator[Metric]:
        counts = CounterMetricFamily(
            "opsrun_replica_reads",
            "Reads of runs by what became of them at the replica.",
            labels=["outcome"],
        )
        for outcome in Outcome:
            counts.add_metric([outcome], self._outcomes.get(outcome, 0))
        yield counts
