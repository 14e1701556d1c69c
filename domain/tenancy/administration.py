"""The operator's use cases: tenants and their members. They need the maintenance login.

The functions for members raise UnknownTenantError if no tenant has the slug.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import UUID

from domain.tenancy import repository
from domain.tenancy.models import ConfiguredTenant, Member, User
from domain.tenancy.providers import ProviderSettings
from domain.tenancy.roles import TenantRole
from domain.tenancy.session import InstallationSession, TenantSession
from domain.tenancy.transactions import Transactions


class UnknownTenantError(Exception):
    """No tenant has this slug."""

    def __init__(self, slug: str) -> None:
        super().__init__(f"Unknown tenant {slug!r}. Add it with `opsrun tenant`.")


async def tenants(transactions: Transactions) -> Sequence[ConfiguredTenant]:
    """Return all tenants by slug, each with its provider."""
    async with transactions.installation() as session:
        return await repository.configured_tenants(session)


async def save_tenant(
    transactions: Transactions, slug: str, name: str, provider: ProviderSettings | None
) -> UUID:
    """Add a tenant, or change the one with this slug; return its id. None keeps its provider."""
    async with transactions.installation() as session:
        return await repository.save_tenant(session, slug=slug, name=name, provider=provider)


async def find_user(
    transactions: Transactions,
    issuer: str,
    subject: str,
    name: str | None,
    email: str | None,
    *,
    is_service: bool = False,
) -> User:
    """Return the user with this name and e-mail; None keeps the stored value.

    The name of a new user defaults to the subject.
    """
    user = User(issuer, subject, name or subject, email, is_service)
    async with transactions.installation() as session:
        known = await repository.principal(session, user.id)
    if known is None:
        return user
    return replace(user, name=name or known.name, email=email or known.email)


async def members(transactions: Transactions, slug: str) -> Sequence[Member]:
    """Return the members of a tenant by subject."""
    async with _tenant(transactions, slug) as (_, tenant):
        return await repository.members(tenant)


async def save_member(transactions: Transactions, slug: str, user: User, role: TenantRole) -> None:
    """Give a user a role in a tenant, and add a new user."""
    async with _tenant(transactions, slug) as (session, tenant):
        await repository.save_user(session, user)
        await repository.save_membership(tenant, user.id, role)


async def remove_member(transactions: Transactions, slug: str, user: User) -> bool:
    """Remove a user's role in a tenant; False if there was none."""
    async with _tenant(transactions, slug) as (_, tenant):
        return await repository.remove_membership(tenant, user.id)


@asynccontextmanager
async def _tenant(
    transactions: Transactions, slug: str
) -> AsyncIterator[tuple[InstallationSession, TenantSession]]:
    async with transactions.installation() as session:
        tenant_id = await repository.tenant_id_of(session, slug)
        if tenant_id is None:
            raise UnknownTenantError(slug)
        yield session, session.within(tenant_id)
