"""The context of an operation: the caller, the use cases, and loaders that batch."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar
from uuid import UUID

import strawberry
from strawberry.dataloader import DataLoader

from domain.backups.service import Backups
from domain.errors import BadInputError, UnauthenticatedError
from domain.log_context import bind_log_ids
from domain.notifications.service import Notifications
from domain.runs.feed import TenantFeeds
from domain.runs.operations import Operations
from domain.runs.queries import RunQueries
from domain.tenancy.claims import ClaimedUser
from domain.tenancy.models import Principal, TenantAccess, kind_of
from domain.tenancy.replica import ReplicaReads
from domain.tenancy.service import Tenancy
from domain.tenancy.session import DatabaseUnavailableError, TenantSession
from domain.tenancy.transactions import Transactions
from gql.audit import audit
from gql.completion import run_to_completion
from gql.ids import GlobalId
from gql.pages import Cursor, CursorKind, bad_cursor
from gql.request import Request

if TYPE_CHECKING:
    from gql.live.subscribers import Subscriber

# Seconds after which a subscription reads its caller's roles again. All subscriptions of a user
# share an answer for half of that time. A former member's stream therefore ends well within 60 s.
PRINCIPAL_SECONDS = 10.0
# Seconds after which a subscription verifies its token again, in case its key was withdrawn. The
# token's expiry is checked for each event.
VERIFY_SECONDS = 30.0
# Seconds after which a stream retries a database that was unavailable.
RETRY_SECONDS = 1.0

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
T = TypeVar("T")
P = ParamSpec("P")
Fetch = Callable[Concatenate[TenantSession, Sequence[K], ...], Awaitable[Mapping[K, V]]]


@dataclass(frozen=True, slots=True)
class UseCases:
    """The domain, as the composition root built it."""

    transactions: Transactions
    reads: Transactions | ReplicaReads
    tenancy: Tenancy
    runs: RunQueries
    feeds: TenantFeeds
    operations: Operations
    backups: Backups
    notifications: Notifications
    share: int
    """The most runs of a tenant that are dispatched or running at a time; 0 if not known."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The caller that a verified token names, and when the token expires."""

    user_id: UUID
    expires_at: datetime
    # Set if memberships come from the token instead of the database.
    claimed: ClaimedUser | None = None


class HubLinks:
    """Builds links to the hub, under the installation's public URL."""

    def __init__(self, public_url: str) -> None:
        self._base = public_url.rstrip("/")

    def run(self, tenant_slug: str, run_id: str) -> str:
        """Return the address of a run's page."""
        return f"{self._base}/t/{tenant_slug}/operations/{run_id}"


@dataclass(eq=False, repr=False)
class Context:
    """The context of one operation; a subscription keeps it until it ends."""

    cases: UseCases
    # Verifies the caller's token. Each call verifies again: the token may have expired, or its
    # key may have been withdrawn.
    verify_token: Callable[[], Awaitable[Identity]]
    links: HubLinks
    default_window: timedelta
    request: Request
    subscription: "Subscriber | None" = None
    # The tenant that it entered first. A foreign id or cursor makes it enter others to refuse it.
    _tenant_id: UUID | None = None
    _identity: Identity | None = None
    _verified_at: float = float("-inf")
    _principal: Principal | None = None
    _read_at: float = float("-inf")
    _loaders: dict[Hashable, DataLoader[Any, Any]] = field(default_factory=dict)

    async def identify(self) -> Identity:
        """Verify the caller's token, without reading the database.

        Raises:
            UnauthenticatedError: the token is not valid, or has expired.
            UnavailableError: the token cannot be verified at the moment.
        """
        self._identity, self._verified_at = await self.verify_token(), monotonic()
        self.request.actor_id = self._identity.user_id
        return self._identity

    async def principal(self, *, max_age: float = 0.0) -> Principal:
        """Return the caller with their roles; in a stream, these may be `PRINCIPAL_SECONDS` old.

        The first call reads roles that are at most `max_age` seconds old.

        Raises:
            UnauthenticatedError: the token is not valid or has expired, or the user is unknown.
            UnavailableError: the token cannot be verified at the moment.
        """
        identity, now = self._identity, monotonic()
        if identity is None or now - self._read_at > PRINCIPAL_SECONDS:
            is_first = self._principal is None
            if identity is None or not is_first:
                identity = await self.identify()
            max_age = max_age if is_first else PRINCIPAL_SECONDS / 2
            self._principal = await self._read_principal(identity, max_age)
            self._read_at = now
        if datetime.now(UTC) >= identity.expires_at:
            raise UnauthenticatedError("The token has expired. Sign in again.")
        if self._principal is None:
            kind = kind_of(identity.user_id).lower()
            raise UnauthenticatedError(f"This {kind} is not known here. Ask an owner for access.")
        return self._principal

    async def begin_stream(self) -> Principal:
        """Return the caller of a new subscription, with the roles that its WebSocket opened with.

        They are read again if it opened some seconds ago.

        Raises:
            UnauthenticatedError, UnavailableError: as `principal`.
        """
        age = monotonic() - self.request.opened_at
        return await self.principal(max_age=age if age <= PRINCIPAL_SECONDS / 2 else 0.0)

    async def _read_principal(self, identity: Identity, max_age: float) -> Principal | None:
        if identity.claimed is None:
            return await self.cases.tenancy.principal(identity.user_id, max_age=max_age)
        return await run_to_completion(self._claimed_principal(identity.claimed, max_age))

    async def _claimed_principal(self, claimed: ClaimedUser, max_age: float) -> Principal:
        principal, is_new = await self.cases.tenancy.claimed_principal(claimed, max_age=max_age)
        if is_new:
            audit("membership.provisioned")
        return principal

    def subscriber(self) -> "Subscriber":
        """Return the subscription that this is the context of."""
        assert self.subscription is not None
        return self.subscription

    async def enter(self, tenant_id: UUID) -> TenantAccess:
        """Return the caller's access to a tenant.

        Raises:
            ForbiddenError: the caller is not a member.
            RateLimitedError: the tenant has too many open connections.
        """
        access = (await self.principal()).enter(tenant_id)
        self._tenant_id = self._tenant_id or tenant_id
        bind_log_ids(tenant_id=tenant_id)
        if self.request.slot is not None:
            self.request.slot.enter(tenant_id)
        return access

    async def entered(self) -> TenantAccess | None:
        """Return the current access to the tenant that was entered first; None before that."""
        return None if self._tenant_id is None else await self.stay(self._tenant_id)

    async def stay(self, tenant_id: UUID) -> TenantAccess:
        """Return the caller's access before a stream sends an event.

        A slow client can take minutes to read a batch, and the fields of an event are read when it
        is sent. While the database is unavailable the stream waits.

        Raises:
            UnauthenticatedError, ForbiddenError: the caller has lost access.
        """
        if self._principal is not None and self.is_fresh():
            return self._principal.enter(tenant_id)
        while True:
            try:
                await self._renew(tenant_id)
                return await self.enter(tenant_id)
            except DatabaseUnavailableError:
                await asyncio.sleep(RETRY_SECONDS)

    def is_fresh(self) -> bool:
        """Return whether token and roles were checked in the last `PRINCIPAL_SECONDS`."""
        identity = self._identity
        return (
            identity is not None
            and monotonic() - self._read_at <= PRINCIPAL_SECONDS
            and datetime.now(UTC) < identity.expires_at
        )

    async def _renew(self, tenant_id: UUID) -> None:
        """Read the caller's role again, together with those of the tenant's other watchers.

        If there is none any more, or roles come from the token, `principal` reads the caller. The
        caller's other roles are forgotten, since they are not read.
        """
        known, now = self._principal, monotonic()
        if known is None or now - self._read_at <= PRINCIPAL_SECONDS:
            return
        identity = self._identity
        if identity is None or now - self._verified_at > VERIFY_SECONDS:
            identity = await self.identify()
        if identity.claimed is None:
            read = self.cases.tenancy.watchers.access
            access = await read(tenant_id, identity.user_id, max_age=PRINCIPAL_SECONDS / 2)
            if access is not None:
                self._principal = replace(known, accesses={tenant_id: access})
                self._read_at = now

    async def locate(
        self, id_: str, type_name: str, within: TenantAccess | None = None
    ) -> tuple[TenantAccess, GlobalId]:
        """Decode the id of an object of a type; access to its tenant is checked first.

        Raises:
            BadInputError: not an id of this type, or of an object outside the tenant `within`.
            ForbiddenError: the caller is not a member of its tenant.
        """
        decoded = GlobalId.decode(id_)
        access = await self.enter(decoded.tenant_id)
        if decoded.type_name != type_name:
            raise BadInputError(f"Expected the id of a {type_name}, not of a {decoded.type_name}.")
        if within is not None and within.tenant_id != access.tenant_id:
            raise BadInputError(f"The {type_name} belongs to another tenant.")
        return access, decoded

    async def place(self, cursor: str, kind: CursorKind[Any, K], tenant_id: UUID) -> K:
        """Decode a cursor of a kind; access to its tenant is checked first.

        Raises:
            BadInputError, ForbiddenError.
        """
        decoded = Cursor.decode(cursor)
        await self.enter(decoded.tenant_id)
        try:
            if (decoded.kind, decoded.tenant_id) != (kind.name, tenant_id):
                raise ValueError(kind.name)
            return kind.decode(*decoded.values)
        except (ValueError, TypeError, AttributeError):
            raise bad_cursor(cursor) from None

    async def read(
        self,
        query: Callable[Concatenate[TenantSession, P], Awaitable[T]],
        access: TenantAccess,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run a query for a member; a replica would not yet have what a subscription reads."""
        reads = self.cases.reads if self.subscription is None else self.cases.transactions
        return await reads.read(query, access, *args, **kwargs)

    async def load(
        self, query: Fetch[K, V], access: TenantAccess, key: K, **arguments: Any
    ) -> V | None:
        """Read `key` together with all other keys that are loaded at the same moment.

        One call of `query(session, keys, **arguments)` serves them all, and nothing is cached.
        """
        name = (query, access.tenant_id, tuple(sorted(arguments.items())))
        if name not in self._loaders:

            async def batch(keys: list[K]) -> Sequence[V | None]:
                values = await self.read(query, access, list(dict.fromkeys(keys)), **arguments)
                return [values.get(key) for key in keys]

            self._loaders[name] = DataLoader(batch, cache=False)
        value: V | None = await self._loaders[name].load(key)
        return value


if TYPE_CHECKING:
    Info = strawberry.Info[Context, None]
else:
    Info = strawberry.Info
