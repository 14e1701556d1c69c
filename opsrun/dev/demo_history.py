"""The history of the demo's tenants before the first start: four weeks of runs.

The product's use cases make the runs, with several versions of the exports. Then all times are
moved into the past. Each tenant's history is one transaction, so an interrupted start leaves no
partial history, and no worker sees an outbox entry of it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar
from uuid import UUID

import click
from sqlalchemy import text

from domain.backups.models import AddPolicies
from domain.backups.run_type import ADD_POLICIES
from domain.backups.service import Backups
from domain.drift.run_type import DRIFT_GENERATE, DriftParameters
from domain.inventory.models import SyncParameters
from domain.inventory.repository.policies import current_page
from domain.inventory.run_type import INVENTORY_SYNC
from domain.runs.contexts import Parameters
from domain.runs.execution import RunClaimer
from domain.runs.failures import ProducerError
from domain.runs.models import OperationRun, StartedRun
from domain.runs.operations import Operations
from domain.runs.repository import feed
from domain.runs.run_types import RunType
from domain.runs.starting import RunStarter
from domain.tenancy import repository as tenancy
from domain.tenancy.models import TenantAccess
from domain.tenancy.providers import DirectorySettings, ProviderSettings
from domain.tenancy.session import TenantSession
from domain.tenancy.transactions import Transactions
from domain.wakeups import WakeUps
from opsrun.dev import demo
from opsrun.dev.demo_history_times import move_into_past
from opsrun.dev.demo_policies import Version, write_export
from workers.producers import load_producers

T = TypeVar("T")
P = TypeVar("P", bound=Parameters)

DAYS = 28
# By days ago: the version that the export became. The demo starts with version 1.
_EDITIONS: dict[int, Version] = {27: "january", 18: "february", 9: "march", 0: 1}
_LEASE = timedelta(minutes=5)


async def write_history(transactions: Transactions, wakeups: WakeUps) -> None:
    """Write the history of each demo tenant that has never had a run.

    Call `demo.seed` first. Needs the maintenance login.
    """
    for tenant in demo.TENANTS:
        async with transactions.installation() as session:
            tenant_id = await tenancy.tenant_id_of(session, tenant.slug)
        assert tenant_id is not None, "demo.seed comes first"
        async with transactions.tenant(tenant_id) as session:
            if not await _is_untouched(session):
                continue
            click.echo(f"Writing four weeks of history for {tenant.name} ...")
            exports = await tenancy.provider(session)
            with TemporaryDirectory(prefix="opsrun-demo-") as folder:
                history = _History(session, wakeups, Path(folder) / "exports")
                await _use_exports(session, tenant, DirectorySettings(str(history.exports)))
                await (_busy_weeks if tenant is demo.TENANTS[0] else _quiet_weeks)(history)
            await _use_exports(session, tenant, exports)
            await move_into_past(session, history.moments)


async def _use_exports(
    session: TenantSession, tenant: demo.DemoTenant, provider: ProviderSettings | None
) -> None:
    await tenancy.save_tenant(session, slug=tenant.slug, name=tenant.name, provider=provider)


async def _is_untouched(session: TenantSession) -> bool:
    """Lock the tenant's feed against other events; return whether it is empty."""
    lock = text("SELECT 1 FROM opsrun.tenant_feed WHERE tenant_id = :id FOR NO KEY UPDATE")
    await session.one(lock, {"id": session.tenant_id})
    return (await feed.position(session)).seq == 0


class _OneTransaction(Transactions):
    """Runs every use case in the transaction of one session."""

    def __init__(self, session: TenantSession) -> None:
        self._session = session

    @asynccontextmanager
    async def tenant(
        self, tenant_id: UUID, user_id: UUID | None = None, *, snapshot: bool = False
    ) -> AsyncIterator[TenantSession]:
        assert tenant_id == self._session.tenant_id
        yield replace(self._session, user_id=user_id)

    @asynccontextmanager
    async def reading(
        self, tenant_id: UUID, user_id: UUID | None = None
    ) -> AsyncIterator[TenantSession]:
        async with self.tenant(tenant_id, user_id) as session:
            yield session

    async def write(
        self,
        tenant_id: UUID,
        change: Callable[[TenantSession], Awaitable[T]],
        user_id: UUID | None = None,
    ) -> T:
        async with self.tenant(tenant_id, user_id) as session:
            return await change(session)

    # The changes of one transaction need no turns.
    record = write


class _History:
    """A tenant's runs, one after the other, with the time that each one gets."""

    def __init__(self, session: TenantSession, wakeups: WakeUps, exports: Path) -> None:
        self.exports = exports
        self.scope = exports / demo.SCOPE
        self.moments: list[tuple[OperationRun, datetime]] = []
        self._now = datetime.now(UTC)
        self._session = session
        transactions = _OneTransaction(session)
        starter = RunStarter(transactions, wakeups, max_active_runs=1)
        self._claimer = RunClaimer(transactions, wakeups, owner="demo")
        self._operations = Operations(transactions, starter)
        self._backups = Backups(transactions)
        self._producers = load_producers()

    def export(self, version: Version) -> None:
        """Replace the tenant's exports by this version."""
        write_export(self.scope, version)
        write_export(self.exports / demo.BROKEN_SCOPE, version, broken=True)

    async def sync(
        self, days: float, subject: str, scope: str = demo.SCOPE, *, interrupted: bool = False
    ) -> None:
        """Sync a scope `days` ago; an `interrupted` sync needs two attempts."""
        parameters = SyncParameters(scope_key=scope)
        started = await self._start(subject, INVENTORY_SYNC, parameters)
        await self._work(days, started, interrupted=interrupted)

    async def drift(self, days: float, subject: str) -> None:
        """Compare the last two snapshots `days` ago."""
        parameters = DriftParameters(scope_key=demo.SCOPE)
        await self._work(days, await self._start(subject, DRIFT_GENERATE, parameters))

    async def policies(self, *words: str) -> list[tuple[str, str]]:
        """Return the keys of the current policies whose names contain one of these words."""
        return [
            (demo.SCOPE, policy.policy_id)
            for policy in await current_page(self._session, demo.SCOPE, after=None, limit=100)
            if any(word in policy.name for word in words)
        ]

    async def create_set(self, subject: str, name: str) -> UUID:
        """Create a backup set and return its id; its first policies determine its time."""
        return (await self._backups.create_set(await self._access(subject), name)).id

    async def back_up(
        self, days: float, subject: str, set_id: UUID, policies: list[tuple[str, str]]
    ) -> None:
        """Add policies to a backup set `days` ago."""
        parameters = AddPolicies(backup_set_id=set_id, policies=policies)
        await self._work(days, await self._start(subject, ADD_POLICIES, parameters))

    async def _start(self, subject: str, run_type: RunType[P], parameters: P) -> StartedRun:
        access = await self._access(subject)
        return await self._operations.start_with(access, run_type, parameters)

    async def _access(self, subject: str) -> TenantAccess:
        principal = await tenancy.principal(self._session, demo.USERS[subject].id)
        assert principal is not None, "demo.seed comes first"
        return principal.enter(self._session.tenant_id)

    async def _work(self, days: float, started: StartedRun, *, interrupted: bool = False) -> None:
        if interrupted:
            first = await self._claimer.claim(self._session.tenant_id, started.run.id, _LEASE)
            assert first is not None
            await first.release(timedelta(0))
        execution = await self._claimer.claim(self._session.tenant_id, started.run.id, _LEASE)
        assert execution is not None
        try:
            await self._producers[started.run.run_type].run(execution)
        except ProducerError as error:
            ended = await execution.fail(error.reason, error.message)
        else:
            ended = await execution.finish()
        self.moments.append((ended, self._now - timedelta(days=days)))


@contextmanager
def _moved_away(folder: Path) -> Iterator[None]:
    away = folder.rename(folder.with_name("away"))
    yield
    away.rename(folder)


async def _busy_weeks(history: _History) -> None:
    """A sync every morning, some failures, and the backups and drift runs of several users."""
    for day in range(DAYS - 1, -1, -1):
        # Not always at the same time of the day.
        morning = day + 0.3 + (day * 37 % 60) / 1440
        if day in _EDITIONS:
            history.export(_EDITIONS[day])
        if day == 4:
            with _moved_away(history.exports):  # as when a file share is not mounted
                await history.sync(morning + 0.1, "oscar")
        await history.sync(morning, "oscar", interrupted=day == 15)
        if day == 17:
            with _moved_away(history.scope):  # as when an export tool fails silently
                history.scope.mkdir()
                await history.sync(morning - 0.05, "manu")
                history.scope.rmdir()
        if day % 4 == 1:
            await history.sync(morning - 0.1, "manu", demo.BROKEN_SCOPE)
        if day in _EDITIONS and day < DAYS - 1:
            await history.drift(morning - 0.15, "oscar")
        if day == 26:
            baseline = await history.create_set("manu", "Security baseline")
            everything = await history.policies("Health", "Password", "Firewall")
            await history.back_up(morning - 0.2, "manu", baseline, everything)
        if day == 8:
            # "Laptops - Firewall" was deleted the day before, so it can no longer be copied.
            everything += await history.policies("Sign-in")
            await history.back_up(morning - 0.2, "manu", baseline, everything)
        if day == 5:
            updates = await history.create_set("olivia", "Update rings")
            rings = await history.policies("Updates", "Drivers")
            await history.back_up(morning - 0.2, "olivia", updates, rings)
    await history.sync(0.01, "oscar", demo.BROKEN_SCOPE)


async def _quiet_weeks(history: _History) -> None:
    """A sync every few days, and one drift run."""
    history.export("march")
    for day in (24, 18, 12, 7):
        await history.sync(day + 0.4, "bo")
    history.export(1)
    await history.sync(3.4, "bo")
    await history.drift(3.3, "bo")
    await history.sync(0.4, "bo", demo.BROKEN_SCOPE)
