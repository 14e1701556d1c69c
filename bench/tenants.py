"""Add a tenant to measure, and sign in as its operator."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from bench import history
from domain.runs.execution import RunClaimer
from domain.runs.models import OperationRun, StartedRun
from domain.runs.repository import reading
from domain.runs.repository.reading import Keyset
from domain.runs.starting import RunStarter
from domain.tenancy.administration import save_member, save_tenant
from domain.tenancy.models import TenantAccess, User
from domain.tenancy.roles import TenantRole
from domain.tenancy.transactions import Transactions
from gql.context import UseCases
from gql.ids import GlobalId
from opsrun.auth.tokens import LOCAL_ISSUER, LocalTokens
from opsrun.resources import Resources
from tests.client import Client
from tests.gql.api import RunningApi
from tests.world import LOCAL_KEY, MAX_ACTIVE_RUNS

# The hub's default page. One more run shows whether there is a next page.
PAGE = 50
LIMIT = PAGE + 1
WINDOW = timedelta(days=30)
DEEP_PAGES = 2000


@dataclass(frozen=True, slots=True)
class BenchTenant:
    """A filled tenant, with its operator's client and the resources of an API and a worker."""

    runs: int
    access: TenantAccess
    cases: UseCases
    api: Resources
    starter: RunStarter
    claimer: RunClaimer
    client: Client

    @property
    def id(self) -> UUID:
        return self.access.tenant_id

    @property
    def global_id(self) -> str:
        return GlobalId("Tenant", self.id).encode()

    @property
    def since(self) -> datetime:
        """The beginning of the default window."""
        return datetime.now(UTC) - WINDOW

    async def run(self, number: int) -> OperationRun:
        """Return a run by its number, from 1 (the oldest)."""
        id_ = history.run_id(self.id, number)
        return (await self.cases.transactions.read(reading.by_ids, self.access, [id_]))[id_]

    async def deep(self, *, backward: bool = False) -> Keyset:
        """Return the keyset DEEP_PAGES deep, or in the middle of a smaller tenant."""
        run = await self.run(self.runs - min(DEEP_PAGES * PAGE, self.runs // 2))
        return Keyset(LIMIT, (run.created_at, run.id), backward)


async def add_tenant(transactions: Transactions, slug: str) -> UUID:
    """Add an empty tenant with one operator."""
    tenant_id = await save_tenant(transactions, slug, f"Tenant {slug}", None)
    await save_member(transactions, slug, _operator(slug), TenantRole.OPERATOR)
    return tenant_id


async def sign_in(api: RunningApi, worker: Resources, slug: str, runs: int) -> BenchTenant:
    """Sign in to a tenant as its operator."""
    user = _operator(slug)
    access = await operator_access(api.cases, slug)
    resources = api.resources
    return BenchTenant(
        runs,
        access,
        api.cases,
        resources,
        RunStarter(resources.transactions, resources.wakeups, max_active_runs=MAX_ACTIVE_RUNS),
        RunClaimer(worker.transactions, worker.wakeups, owner="bench"),
        api.client(_token(user)),
    )


async def operator_access(cases: UseCases, slug: str) -> TenantAccess:
    """Return the access of a tenant's operator."""
    principal = await cases.tenancy.principal(_operator(slug).id)
    assert principal is not None
    (access,) = principal.accesses.values()
    return access


def _operator(slug: str) -> User:
    return User(LOCAL_ISSUER, f"operator@{slug}", "Operator")


async def start_sync(starter: RunStarter, access: TenantAccess) -> StartedRun:
    """Start a sync of a new scope."""
    scope = uuid4().hex
    return await starter.start(
        access,
        resource="inventory",
        action="sync",
        subject=scope,
        context={"scopeKey": scope},
    )


async def member_tokens(transactions: Transactions, slug: str, count: int) -> list[str]:
    """Add operators to a tenant; return a token of each."""
    tokens = []
    for number in range(count):
        user = User(LOCAL_ISSUER, f"member-{number}@{slug}", f"Member {number}")
        await save_member(transactions, slug, user, TenantRole.OPERATOR)
        tokens.append(_token(user))
    return tokens


def _token(user: User) -> str:
    return LocalTokens(LOCAL_KEY).mint(user.subject, name=user.name, lifetime=timedelta(hours=4))
