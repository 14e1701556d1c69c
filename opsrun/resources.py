"""The composition root: opens and closes the resources of a process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client import Histogram
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.backups.service import Backups
from domain.notifications.service import Notifications
from domain.runs.dispatching import Send
from domain.runs.feed import TenantFeeds
from domain.runs.operations import Operations
from domain.runs.queries import RunQueries
from domain.runs.starting import RunStarter
from domain.tenancy.replica import ReplicaReads
from domain.tenancy.service import Tenancy
from domain.tenancy.transactions import Transactions
from opsrun.postgres.engines import Login, open_engine, require_login
from opsrun.postgres.row_level_security import require_row_level_security
from opsrun.settings import Settings
from opsrun.telemetry.tracing import current_traceparent
from opsrun.valkey.wakeups import RedisWakeUps

if TYPE_CHECKING:
    from gql.context import UseCases

_WAITS = (0.001, 0.01, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


@dataclass(frozen=True, slots=True)
class Resources:
    """The database, with the rights of one login, and the wake-ups."""

    engine: AsyncEngine
    transactions: Transactions
    wakeups: RedisWakeUps
    pool_wait: Histogram
    """How long transactions waited for a connection; the process registers it."""


@asynccontextmanager
async def open_resources(settings: Settings, login: Login) -> AsyncIterator[Resources]:
    """Open the resources of one kind of process, and check its database login.

    Raises:
        SettingsError, UnsafeLoginError, OpenTableError.
    """
    async with (
        open_engine(
            settings.require_database_url(),
            pool_size=settings.database_pool_size,
            statement_timeout_seconds=settings.statement_timeout_seconds,
        ) as engine,
        RedisWakeUps(settings.require_redis_url()) as wakeups,
    ):
        await require_login(engine, login)
        await require_row_level_security(engine)
        pool_wait = pool_wait_histogram()
        transactions = Transactions(engine, on_wait=pool_wait.observe)
        yield Resources(engine, transactions, wakeups, pool_wait)


def pool_wait_histogram() -> Histogram:
    """Return a histogram, not yet registered, of the waits for a connection."""
    return Histogram(
        "opsrun_database_pool_wait_seconds",
        "How long a transaction waited for one of this process's database connections.",
        registry=None,
        buckets=_WAITS,
    )


def use_cases(
    resources: Resources,
    *,
    max_active_runs: int,
    send: Send | None = None,
    share: int = 0,
    replica: ReplicaReads | None = None,
) -> "UseCases":
    """Compose the use cases for the API; see `RunStarter` for the limits of a tenant."""
    # Imported here, so that workers and maintenance start without the GraphQL library.
    from gql.context import UseCases

    transactions, wakeups = resources.transactions, resources.wakeups
    starter = RunStarter(
        transactions,
        wakeups,
        max_active_runs=max_active_runs,
        traceparent=current_traceparent,
        send=send,
        share=share,
    )
    return UseCases(
        transactions=transactions,
        reads=replica or transactions,
        tenancy=Tenancy(transactions),
        runs=RunQueries(transactions),
        feeds=TenantFeeds(transactions, wakeups),
        operations=Operations(transactions, starter),
        backups=Backups(transactions),
        notifications=Notifications(transactions),
        share=share,
    )
