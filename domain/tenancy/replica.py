"""Reads of runs that a replica answers instead of the primary, but never with older runs (ADR 23).

A read first asks the primary for the tenant's version, with one small statement. The replica
answers only if it has exactly this version; otherwise the primary does.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from enum import StrEnum
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, cast
from uuid import UUID

from domain.concurrency.shared_reads import SharedReads
from domain.outages import Outage
from domain.tenancy.models import TenantAccess
from domain.tenancy.roles import VIEW
from domain.tenancy.session import DatabaseUnavailableError, OtherVersionError, TenantSession
from domain.tenancy.statements import NO_RUN, VERSION, TenantVersion
from domain.tenancy.transactions import Transactions, is_conflict, is_refusal

P = ParamSpec("P")
T = TypeVar("T")
Query = TypeVar("Query", bound=Callable[..., Awaitable[Any]])

# Seconds that the replica may take for a read. Then the primary answers.
PATIENCE = 2.0
# Seconds in which a replica that is only busy answers a statement that finds no run.
_PROBE_SECONDS = 0.5

logger = logging.getLogger(__name__)
_replicated: set[Callable[..., Any]] = set()


def replicated(query: Query) -> Query:
    """Mark a query that returns the same wherever the tenant has the same `TenantVersion`.

    What it reads changes only in transactions that also write the row of the tenant or its feed.
    """
    _replicated.add(query)
    return query


class Outcome(StrEnum):
    """What became of a read that the replica may answer; unless `ANSWERED`, the primary answers."""

    ANSWERED = "answered"
    OTHER_VERSION = "other_version"
    FAILED = "failed"
    AWAY = "away"


async def _answers(replica: Transactions) -> bool:
    try:
        async with asyncio.timeout(_PROBE_SECONDS), replica.installation() as session:
            await session.rows(NO_RUN)
    except (DatabaseUnavailableError, TimeoutError):
        return False
    return True


class ReplicaReads:
    """Runs `replicated` queries on a replica if it has the primary's version of the tenant."""

    def __init__(
        self,
        primary: Transactions,
        connect: Callable[[], AbstractAsyncContextManager[Transactions]],
    ) -> None:
        """Use the replica that `connect` opens."""
        self._primary = primary
        self._connect = connect
        self._versions = SharedReads(self._version, capacity=1)
        # The replica, and what ends its use.
        self._connected: tuple[Transactions, asyncio.Future[Exception]] | None = None
        self._outage = Outage(
            logger, lost="Cannot read from the replica", back="The replica answers again"
        )
        self.outcomes = Counter[Outcome]()

    async def read(
        self,
        query: Callable[Concatenate[TenantSession, P], Awaitable[T]],
        access: TenantAccess,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run a query of a repository for a member; see `Transactions.read`.

        Raises:
            ForbiddenError: the role does not have VIEW.
        """
        if query in _replicated:
            access.require(VIEW)
            outcome, answer = await self._ask(lambda s: query(s, *args, **kwargs), access)
            self.outcomes[outcome] += 1
            if outcome is Outcome.ANSWERED:
                return cast("T", answer)
        return await self._primary.read(query, access, *args, **kwargs)

    async def _ask(
        self, query: Callable[[TenantSession], Awaitable[T]], access: TenantAccess
    ) -> tuple[Outcome, T | None]:
        """Return the replica's answer, or why there is none."""
        if self._is_away:
            return Outcome.AWAY, None
        version = await self._versions.get(access.tenant_id)
        if version is None:
            return Outcome.OTHER_VERSION, None
        if self._connected is None:  # since then
            return Outcome.AWAY, None
        replica, failure = self._connected
        outcome, answer = Outcome.OTHER_VERSION, None
        try:
            async with asyncio.timeout(PATIENCE), replica.reading_at(version, access) as session:
                answer = await query(session)
            outcome = Outcome.ANSWERED
        except OtherVersionError:
            pass
        except (DatabaseUnavailableError, TimeoutError) as error:
            # A slow query does not take the replica away from other reads, but one that hangs does.
            is_slow = isinstance(error, TimeoutError) and await _answers(replica)
            if not (is_slow or is_conflict(error) or failure.done()):
                self._connected = None
                failure.set_result(error)
            return Outcome.FAILED, None
        except Exception as error:
            if not is_refusal(error):
                raise
            # Unless it is the replica's fault, the primary refuses it too.
            return Outcome.FAILED, None
        self._outage.recovered()
        return outcome, answer

    @property
    def _is_away(self) -> bool:
        return self._connected is None

    async def _version(self, tenant_id: UUID) -> TenantVersion | None:
        async with self._primary.reading(tenant_id) as session:
            row = await session.one_or_none(VERSION)
        return row and TenantVersion(*row)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Self]:
        """Stay connected to the replica during the context, whenever it is there."""
        task = asyncio.create_task(self._stay_connected())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _stay_connected(self) -> None:
        while True:
            try:
                async with self._connect() as replica:
                    failure = asyncio.get_running_loop().create_future()
                    self._connected = replica, failure
                    pause = self._outage.failed(await failure)
                    # Reads that still use the connections end within this time.
                    await asyncio.sleep(PATIENCE)
            except Exception as error:  # noqa: BLE001 - the primary answers until it works
                pause = self._outage.failed(error)
            await asyncio.sleep(pause)
