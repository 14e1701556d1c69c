"""What an operator does to tenants and members; runs under the maintenance login."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from domain.tenancy import repository
from domain.tenancy.models import user_id
from domain.tenancy.roles import TenantRole
from domain.tenancy.transactions import Transactions
from opsrun.postgres.engines import Login, open_engine, require_login
from opsrun.settings import Settings


class UnknownTenantError(Exception):
    """There is no tenant of this name; `opsrun tenant` adds one."""

    def __init__(self, slug: str) -> None:
        super().__init__(f"There is no tenant {slug!r}. Add it with `opsrun tenant`.")


@dataclass(frozen=True, slots=True)
class User:
    """A user as the identity provider knows them."""

    issuer: str
    subject: str
    name: str
    email: str | None = None

    @property
    def id(self) -> UUID:
        """The user's id here."""
        return user_id(self.issuer, self.subject)


@dataclass(frozen=True, slots=True)
class Member:
    """A user with the role that they have in a tenant."""

    user: User
    role: TenantRole


@asynccontextmanager
async def open_administration(settings: Settings) -> AsyncIterator[Transactions]:
    """Open the database under the maintenance login.

    Raises:
        SettingsError, UnsafeLoginError.
    """
    async with open_engine(settings.require_database_url()) as engine:
        await require_login(engine, Login.MAINTENANCE)
        yield Transactions(engine)


async def find_user(
    transactions: Transactions, issuer: str, subject: str, name: str | None, email: str | None
) -> User:
    """Return the user as given; what is not given stays as it is, and a new one has a name."""
    user = User(issuer, subject, name or subject, email)
    async with transactions.open(None) as connection:
        known = await repository.principal(connection, user.id)
    if known is None:
        return user
    return User(issuer, subject, name or known.name, email or known.email)


async def save_tenant(
    transactions: Transactions, slug: str, name: str, export_folder: str | None
) -> UUID:
    """Add a tenant, or change the one with this slug."""
    async with transactions.open(None) as connection:
        return await repository.save_tenant(
            connection, slug=slug, name=name, export_folder=export_folder
        )


async def save_member(transactions: Transactions, slug: str, user: User, role: TenantRole) -> None:
    """Give a user a role in a tenant, adding the user where needed."""
    async with transactions.open(None) as connection:
        tenant_id = await repository.tenant_id_of(connection, slug)
        if tenant_id is None:
            raise UnknownTenantError(slug)
        await repository.save_user(
            connection,
            user_id=user.id,
            issuer=user.issuer,
            subject=user.subject,
            name=user.name,
            email=user.email,
        )
        await repository.save_membership(connection, tenant_id, user.id, role)


async def remove_member(transactions: Transactions, slug: str, user: User) -> bool:
    """Take a user's role in a tenant away; False when there was none."""
    async with transactions.open(None) as connection:
        tenant_id = await repository.tenant_id_of(connection, slug)
        if tenant_id is None:
            raise UnknownTenantError(slug)
        return await repository.remove_membership(connection, tenant_id, user.id)


async def tenants(transactions: Transactions) -> Sequence[repository.TenantFolder]:
    """Return all tenants by slug, each with its export folder."""
    async with transactions.open(None) as connection:
        return await repository.tenant_folders(connection)


async def members(transactions: Transactions, slug: str) -> list[Member]:
    """Return the members of a tenant by subject.

    Raises:
        UnknownTenantError: no tenant has this slug.
    """
    async with transactions.open(None) as connection:
        tenant_id = await repository.tenant_id_of(connection, slug)
        if tenant_id is None:
            raise UnknownTenantError(slug)
        return [
            Member(User(row.issuer, row.subject, row.name, row.email), TenantRole(row.role))
            for row in await repository.members(connection, tenant_id)
        ]
