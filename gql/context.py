"""What every resolver has at hand: who asks, the use cases, and loaders that batch."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from uuid import UUID

import strawberry
from strawberry.dataloader import DataLoader

from domain.backups.service import Backups
from domain.concurrency.fair_queue import Turn
from domain.drift.service import Drift
from domain.errors import BadInputError, UnauthenticatedError
from domain.inventory.service import Inventory
from domain.log_context import bind_log_ids
from domain.notifications.service import Notifications
from domain.runs.feed import TenantFeeds
from domain.runs.queries import RunQueries
from domain.tenancy.claims import ClaimedUser
from domain.tenancy.models import Principal, TenantAccess
from domain.tenancy.service import Tenancy
from domain.tenancy.transactions import DatabaseUnavailableError
from gql.audit import audit, run_to_completion
from gql.ids import GlobalId
from gql.limits.events import EventMeter
from gql.pages import Cursor, bad_cursor

# After how many seconds a subscription asks for its caller's roles again. The answer may be half
# as old, since all subscriptions of a user share it; together that is far below the 60 s of T4.
PRINCIPAL_SECONDS = 10.0
# Before a stream asks again a database that was away.
RETRY_SECONDS = 1.0

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
Fetch = Callable[..., Awaitable[Mapping[K, V]]]


@dataclass(frozen=True, slots=True)
class UseCases:
    """The domain, as the composition root built it."""

    tenancy: Tenancy
    runs: RunQueries
    feeds: TenantFeeds
    inventory: Inventory
    drift: Drift
    backups: Backups
    notifications: Notifications


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a verified token says is calling, and until when."""

    user_id: UUID
    expires_at: datetime
    # Set where the token, and no table, says where this user belongs.
    claimed: ClaimedUser | None = None


# Verifies the caller's token, again each time: it may have run out, or its key been withdrawn.
Identify = Callable[[], Awaitable[Identity]]


class Links(Protocol):
    """Knows where people look at things."""

    def run(self, tenant_slug: str, run_id: str) -> str:
        """Return the address of a run's page in the hub."""
        ...


class Slot(Protocol):
    """What one long connection takes of what may be open at a time."""

    def enter(self, tenant_id: UUID) -> None:
        """Count the connection for a tenant; RateLimitedError when that has too many."""
        ...


class Context:
    """The context of one operation; a subscription keeps its own as long as it lives."""

    def __init__(
        self, cases: UseCases, identify: Identify, links: Links, default_window: timedelta
    ) -> None:
        self.cases = cases
        self.links = links
        self.default_window = default_window
        self.request_id: str | None = None
        self.transport: str | None = None
        # Behind this cursor a stream goes on, unless its argument `after` names another.
        self.last_event_id: str | None = None
        # What the connection of a socket or a stream takes.
        self.slot: Slot | None = None
        # The user's turn, which the transport took; it ends with the execution at the latest.
        self.turn: Turn | None = None
        self._entered: TenantAccess | None = None
        # What the events of a subscription take.
        self.meter: EventMeter | None = None
        self._identify = identify
        self._identity: Identity | None = None
        self._principal: Principal | None = None
        self._read_at = float("-inf")
        self._loaders: dict[Hashable, DataLoader[Any, Any]] = {}

    @property
    def actor_id(self) -> UUID | None:
        """The caller's id, once their token was verified."""
        return self._identity.user_id if self._identity else None

    async def identify(self) -> Identity:
        """Verify the caller's token; nothing is read for it yet.

        Raises:
            UnauthenticatedError: the token is not or no longer good.
            UnavailableError: the token cannot be checked just now.
        """
        self._identity = await self._identify()
        return self._identity

    async def principal(self) -> Principal:
        """Return the caller with the roles of now, or of a few seconds ago in a stream.

        Raises:
            UnauthenticatedError: the token is not or no longer good, or nobody added this user.
            UnavailableError: the token cannot be checked just now.
        """
        identity, now = self._identity, monotonic()
        if identity is None or now - self._read_at > PRINCIPAL_SECONDS:
            is_first = self._principal is None
            if identity is None or not is_first:
                identity = await self.identify()
            max_age = 0.0 if is_first else PRINCIPAL_SECONDS / 2
            self._principal = await self._read_principal(identity, max_age)
            self._read_at = now
        if datetime.now(UTC) >= identity.expires_at:
            raise UnauthenticatedError("The token has expired. Sign in again.")
        if self._principal is None:
            raise UnauthenticatedError(
                "This user is not known here. Ask an owner for access.", user_id=identity.user_id
            )
        return self._principal

    async def _read_principal(self, identity: Identity, max_age: float) -> Principal | None:
        if identity.claimed is None:
            return await self.cases.tenancy.principal(identity.user_id, max_age=max_age)
        return await run_to_completion(self._claimed_principal(identity.claimed, max_age), self)

    async def _claimed_principal(self, claimed: ClaimedUser, max_age: float) -> Principal:
        principal, is_new = await self.cases.tenancy.claimed_principal(claimed, max_age=max_age)
        if is_new:
            audit("membership.provisioned", self)
        return principal

    async def enter(self, tenant_id: UUID) -> TenantAccess:
        """Return the caller's access to a tenant.

        Raises:
            ForbiddenError: there is no membership.
            RateLimitedError: too many connections read from the tenant.
        """
        access = self._entered = (await self.principal()).enter(tenant_id)
        bind_log_ids(tenant_id=tenant_id)
        if self.slot is not None:
            self.slot.enter(tenant_id)
        return access

    async def entered(self) -> TenantAccess | None:
        """Return what `stay` does, for the tenant that was entered last; None before the first."""
        return None if self._entered is None else await self.stay(self._entered.tenant_id)

    async def stay(self, tenant_id: UUID) -> TenantAccess:
        """Return the caller's access, before each thing that a stream sends.

        A client that reads slowly makes a batch last for minutes, and what is inside its events
        is read as late as they are sent. Without the database the stream waits.

        Raises:
            UnauthenticatedError, ForbiddenError: the caller lost the right to see more.
        """
        while True:
            try:
                return await self.enter(tenant_id)
            except DatabaseUnavailableError:
                await asyncio.sleep(RETRY_SECONDS)

    async def locate(self, id_: str, type_name: str) -> tuple[TenantAccess, GlobalId]:
        """Read an id of a certain type; the tenant in it is checked before anything else.

        Raises:
            BadInputError, ForbiddenError.
        """
        decoded = GlobalId.decode(id_)
        access = await self.enter(decoded.tenant_id)
        if decoded.type_name != type_name:
            raise BadInputError(f"Expected the id of a {type_name}, not of a {decoded.type_name}.")
        return access, decoded

    async def place(
        self, cursor: str, kind: str, tenant_id: UUID, *parts: Callable[[Any], Any]
    ) -> tuple[Any, ...]:
        """Read a cursor of a certain list; the tenant in it is checked before anything else.

        `parts` turn the cursor's values into what the list is sorted by.

        Raises:
            BadInputError, ForbiddenError.
        """
        decoded = Cursor.decode(cursor)
        await self.enter(decoded.tenant_id)
        try:
            if (decoded.kind, decoded.tenant_id) != (kind, tenant_id):
                raise ValueError(kind)
            return tuple(part(value) for part, value in zip(parts, decoded.values, strict=True))
        except (ValueError, TypeError, AttributeError):
            raise bad_cursor(cursor) from None

    async def load(
        self, fetch: Fetch[K, V], access: TenantAccess, key: K, **arguments: Any
    ) -> V | None:
        """Fetch `key` together with all others asked for in the same moment.

        One call of `fetch(access, keys, **arguments)` serves them all. Nothing is
        kept, so a stream never sees an old answer.
        """
        name = (fetch, access.tenant_id, tuple(sorted(arguments.items())))
        if name not in self._loaders:

            async def batch(keys: list[K]) -> Sequence[V | None]:
                found = await fetch(access, list(dict.fromkeys(keys)), **arguments)
                return [found.get(key) for key in keys]

            self._loaders[name] = DataLoader(batch, cache=False)
        loaded: V | None = await self._loaders[name].load(key)
        return loaded


if TYPE_CHECKING:
    Info = strawberry.Info[Context, None]
else:
    Info = strawberry.Info
