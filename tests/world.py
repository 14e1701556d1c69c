"""A tenant for one test, as the API, workers and maintenance see it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar
from uuid import UUID, uuid4

from sqlalchemy import text

from domain.runs.dispatching import Send
from domain.runs.execution import RunClaimer, RunExecution
from domain.runs.models import Dispatch, FeedCursor, StartedRun
from domain.runs.repository import feed
from domain.runs.run_types import run_types
from domain.runs.serving import ServedRunTypes
from domain.runs.starting import RunStarter
from domain.tenancy.administration import save_member, save_tenant
from domain.tenancy.models import TenantAccess, User
from domain.tenancy.providers import DirectorySettings
from domain.tenancy.roles import TenantRole
from domain.tenancy.session import TenantSession
from domain.tenancy.transactions import Transactions
from gql.context import UseCases
from gql.ids import GlobalId
from opsrun.auth.tokens import LOCAL_ISSUER, LocalTokens
from opsrun.postgres.engines import Login
from opsrun.resources import Resources, use_cases
from workers.maintenance import Maintenance, QueueAge
from workers.metrics import MaintenanceMetrics
from workers.producers import load_producers
from workers.runner import RunRunner

LOCAL_KEY = "a key for tests only, of at least 32 characters"
LEASE = timedelta(seconds=30)
# The scope that acts use by default.
SCOPE = "prod"
MAX_ACTIVE_RUNS = 1000
TENANT_CONCURRENCY = 1000

P = ParamSpec("P")
T = TypeVar("T")


async def empty_queue() -> timedelta:
    """Report that every message was read."""
    return timedelta(0)


@dataclass(slots=True)
class World:
    """A tenant, its members by role, and the use cases of each kind of process.

    For example, start a run as an operator and let a worker execute it:

        started = await world.start()
        await world.work(started)
    """

    resources: dict[Login, Resources]
    exports: Path
    tenant_id: UUID
    slug: str
    members: dict[TenantRole, User]
    cases: UseCases
    starter: RunStarter
    claimer: RunClaimer
    runner: RunRunner
    sent: list[UUID] = field(default_factory=list)

    @classmethod
    async def create(cls, resources: dict[Login, Resources], exports: Path) -> "World":
        """Add a tenant with a member of every role."""
        slug = f"t-{uuid4().hex}"
        transactions = resources[Login.MAINTENANCE].transactions
        tenant_id = await save_tenant(
            transactions, slug, f"Tenant {slug}", DirectorySettings(str(exports))
        )
        members = {}
        for role in TenantRole:
            members[role] = User(
                LOCAL_ISSUER, f"{role.lower()}@{slug}", f"A {role.lower()} of {slug}"
            )
            await save_member(transactions, slug, members[role], role)
        api, worker = resources[Login.API], resources[Login.WORKER]
        claimer = RunClaimer(worker.transactions, worker.wakeups, owner="test")
        await ServedRunTypes(worker.transactions, worker.wakeups, run_types()).record()
        return cls(
            resources,
            exports,
            tenant_id,
            slug,
            members,
            use_cases(api, max_active_runs=MAX_ACTIVE_RUNS),
            RunStarter(api.transactions, api.wakeups, max_active_runs=MAX_ACTIVE_RUNS),
            claimer,
            RunRunner(claimer, load_producers(), lease=LEASE, run_timeout=timedelta(minutes=1)),
        )

    @property
    def global_id(self) -> str:
        """The tenant's id in GraphQL."""
        return GlobalId("Tenant", self.tenant_id).encode()

    async def access(self, role: TenantRole = TenantRole.OPERATOR) -> TenantAccess:
        """Return the access of the member with this role."""
        principal = await self.cases.tenancy.principal(self.members[role].id)
        assert principal is not None
        return principal.enter(self.tenant_id)

    def token(self, role: TenantRole = TenantRole.OPERATOR) -> str:
        """Return a token of the member with this role."""
        user = self.members[role]
        return LocalTokens(LOCAL_KEY).mint(
            user.subject, name=user.name, lifetime=timedelta(hours=1)
        )

    async def start(
        self,
        context: Mapping[str, Any] | None = None,
        *,
        action: str = "sync",
        role: TenantRole = TenantRole.OPERATOR,
    ) -> StartedRun:
        """Start a run as the member with this role; the default context equals no other run's."""
        context = context if context is not None else {"scopeKey": uuid4().hex}
        return await self.starter.start(
            await self.access(role),
            resource="inventory",
            action=action,
            subject=context.get("scopeKey", "none"),
            context=context,
        )

    async def start_and_claim(self, lease: timedelta = LEASE) -> RunExecution:
        """Start a run and let a worker claim it."""
        started = await self.start()
        execution = await self.claimer.claim(self.tenant_id, started.run.id, lease)
        assert execution is not None
        return execution

    async def work(self, started: StartedRun) -> None:
        """Let a worker execute the run."""
        await self.runner.execute(started.run.run_type, self.tenant_id, started.run.id)

    async def read(
        self,
        query: Callable[Concatenate[TenantSession, P], Awaitable[T]],
        access: TenantAccess,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Read through a repository as a member, as the API's resolvers do."""
        return await self.cases.transactions.read(query, access, *args, **kwargs)

    async def cursor(self, access: TenantAccess) -> FeedCursor:
        """Return the cursor of the end of the tenant's feed."""
        return (await self.read(feed.position, access)).cursor

    async def rows(self, sql: str, **parameters: Any) -> list[Any]:
        """Read as the maintenance login, which sees every tenant."""
        async with self.resources[Login.MAINTENANCE].transactions.installation() as session:
            return list(await session.rows(text(sql), {"tenant_id": self.tenant_id, **parameters}))

    async def write(self, sql: str, **parameters: Any) -> None:
        """Change rows without a use case, as the maintenance login."""
        async with self.resources[Login.MAINTENANCE].transactions.installation() as session:
            await session.execute(text(sql), {"tenant_id": self.tenant_id, **parameters})

    def maintenance(
        self,
        send: Send | None = None,
        queue_age: QueueAge = empty_queue,
        *,
        transactions: Transactions | None = None,
        redispatch_after: timedelta = timedelta(hours=1),
        tenant_concurrency: int = TENANT_CONCURRENCY,
        metrics: MaintenanceMetrics | None = None,
    ) -> Maintenance:
        """Return maintenance that rescues runs as soon as their lease has ended.

        By default, it records the tenant's runs in `sent` instead of sending messages.
        """
        resources = self.resources[Login.MAINTENANCE]

        async def record(dispatches: Sequence[Dispatch]) -> None:
            self.sent += [d.run_id for d in dispatches if d.tenant_id == self.tenant_id]

        return Maintenance(
            transactions or resources.transactions,
            resources.wakeups,
            send or record,
            queue_age,
            lease=timedelta(0),
            redispatch_after=redispatch_after,
            queue_timeout=timedelta(days=1),
            tenant_concurrency=tenant_concurrency,
            metrics=metrics,
        )
