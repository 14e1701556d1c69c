"""A tenant in tests, and its runs as members see them."""

import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text

from domain.runs.failures import BUILT_IN_REASONS, RunFailure
from domain.runs.foreign import context_to_show, links_of
from domain.runs.maintenance import RunMaintenance
from domain.runs.models import OperationRun, RunCounts
from domain.runs.repository import reading
from domain.runs.run_types import Link, run_types
from domain.tenancy.administration import save_member, save_tenant
from domain.tenancy.models import TenantAccess, User
from domain.tenancy.roles import TenantRole
from domain.tenancy.service import Tenancy
from opsrun.postgres.engines import Login
from opsrun.settings import PREFIX
from opsrun.testing.installation import Installation

_MOST_ITEMS = 100_000
_KILL_SECONDS = 120
_EXPIRE_LEASE = text(
    "UPDATE opsrun.operation_run SET lease_expires_at = clock_timestamp() - interval '1 hour'"
    " WHERE tenant_id = :tenant_id AND id = :run_id AND status = 'running'"
)
_END_DELAY = text(
    "UPDATE opsrun.operation_run SET not_before = clock_timestamp()"
    " WHERE tenant_id = :tenant_id AND id = :run_id AND status = 'pending'"
)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an item, or the run as a whole, failed; `message` is the text that users see."""

    reason: str
    message: str


class Run:
    """A run of a test. It shows the run as it was after the last call of a method."""

    def __init__(self, tenant: "Tenant", run_id: UUID) -> None:
        self._tenant = tenant
        self._installation = tenant.installation
        self.id = run_id
        self._installation.wait(self._read())

    # What members see

    @property
    def status(self) -> str:
        """QUEUED, RUNNING, SUCCEEDED, PARTIALLY_SUCCEEDED, FAILED or ABORTED."""
        return self._run.status_bucket.name

    @property
    def counts(self) -> RunCounts:
        """The numbers of items: total, succeeded, failed, skipped."""
        return self._run.counts

    @property
    def attempt(self) -> int:
        """How many attempts have begun."""
        return self._run.attempt

    @property
    def subject(self) -> str:
        """The display name of what the run works on."""
        return self._run.subject

    @property
    def context(self) -> Mapping[str, Any]:
        """The stored parameters, as members see them."""
        return context_to_show(self._run)

    @property
    def links(self) -> list[Link]:
        """The links to other products."""
        return list(links_of(self._run))

    # What happens to the run

    def work(self) -> "Run":
        """Let a worker in this process make an attempt; return this run."""
        run_type = self._run.run_type
        self._wait_for(
            self._installation.worker.execute(run_type, self._tenant.id, self.id),
        )
        return self

    def kill(self, *, batch: int = 1) -> "Run":
        """Kill a worker with SIGKILL during an attempt, then let its lease expire; return this run.

        The worker is another process with this environment. It ends when everything in its
        `batch`-th batch is done, right before the commit: effects outside of the database have
        happened, and nothing of the batch is recorded.

        Raises:
            AssertionError: the attempt ended earlier; the message contains the worker's log.
        """
        kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        arguments = (str(self._tenant.id), str(self.id), self._run.run_type, str(batch))
        try:
            done = subprocess.run(  # noqa: S603 - our own program
                [sys.executable, "-m", "opsrun.testing.killed_worker", *arguments],
                env={**kept, **self._installation.worker_variables()},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=_KILL_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            log = (error.stdout or b"").decode(errors="replace")
            raise AssertionError(
                f"Batch {batch} did not end within {_KILL_SECONDS} s:\n{log}"
            ) from None
        self._wait_for(self._let_lease_expire())
        assert done.returncode == -signal.SIGKILL, (
            f"The attempt ended before the end of batch {batch}:\n{done.stdout}"
        )
        return self

    def _wait_for(self, work: Awaitable[None]) -> None:
        async def do_and_read() -> None:
            await work
            await self._read()

        self._installation.wait(do_and_read())

    async def _let_lease_expire(self) -> None:
        resources = self._installation.resources[Login.MAINTENANCE]
        maintenance = RunMaintenance(resources.transactions, resources.wakeups)
        ids = {"tenant_id": self._tenant.id, "run_id": self.id}
        async with resources.transactions.installation() as session:
            # Waits until Postgres has dropped the worker's locks, because `rescue` skips them.
            await session.execute(_EXPIRE_LEASE, ids)
        while await maintenance.rescue(grace=timedelta(0)):
            pass
        async with resources.transactions.installation() as session:
            await session.execute(_END_DELAY, ids)

    async def _read(self) -> None:
        transactions = self._installation.resources[Login.API].transactions
        access, ids = self._tenant.access(TenantRole.READONLY), [self.id]
        self._run: OperationRun = (await transactions.read(reading.by_ids, access, ids))[self.id]
        failures = await transactions.read(
            reading.failures, access, ids, after=None, reasons=frozenset(), limit=_MOST_ITEMS
        )
        skipped = await transactions.read(
            reading.skipped, access, ids, after=None, limit=_MOST_ITEMS
        )
        by_item = {one.item_key: self._failure(one) for one in failures.get(self.id, ())}
        self.failure = by_item.pop(None, None)
        """The failure of the run as a whole; None if there is none."""
        self.failures = {key: failure for key, failure in by_item.items() if key is not None}
        """The failures of items by their keys."""
        self.skipped = {item.key: item.reason for item in skipped.get(self.id, ())}
        """Why items were skipped, by their keys."""

    def _failure(self, failure: RunFailure) -> Failure:
        declared = {*BUILT_IN_REASONS, *run_types()[self._run.run_type].reasons}
        assert failure.meaning in declared, (
            f"{failure.item_key or 'The run'} failed for the reason {failure.reason}, which"
            f" {self._run.run_type} does not declare."
        )
        return Failure(failure.reason, failure.message)


class Tenant:
    """A tenant with a member of every role."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self._access = installation.wait(self._create())

    @property
    def id(self) -> UUID:
        """The id that a producer sees as `execution.tenant_id`."""
        return self.access(TenantRole.READONLY).tenant_id

    def start(self, run_type: str, context: Mapping[str, Any]) -> Run:
        """Start a run as `startOperation` does, with the least role; no worker executes it yet.

        Raises:
            InvalidContextError: the context does not fit the run type's parameters.
            UserInputError: no installed package declares the run type, or as its `prepare` says.
        """
        declared = run_types().for_start(self.access(TenantRole.OWNER), run_type)
        access = self.access(declared.least_role)
        started = self.installation.wait(
            self.installation.operations.start(access, declared, context)
        )
        return Run(self, started.run.id)

    def run(self, run_type: str, context: Mapping[str, Any]) -> Run:
        """Start a run and let a worker execute it; raise as `start` does."""
        return self.start(run_type, context).work()

    def access(self, role: TenantRole) -> TenantAccess:
        """Return the access of the member with this role."""
        return self._access[role]

    async def _create(self) -> Mapping[TenantRole, TenantAccess]:
        resources = self.installation.resources
        transactions = resources[Login.MAINTENANCE].transactions
        slug = f"t-{uuid4().hex}"
        tenant_id = await save_tenant(transactions, slug, f"Tenant {slug}", None)
        tenancy = Tenancy(resources[Login.API].transactions)
        accesses = {}
        for role in TenantRole:
            user = User("opsrun.testing", f"{role.lower()}@{slug}", f"A {role.lower()}")
            await save_member(transactions, slug, user, role)
            principal = await tenancy.principal(user.id)
            assert principal is not None
            accesses[role] = principal.enter(tenant_id)
        return accesses
