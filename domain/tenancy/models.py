"""Users, tenants and memberships."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID, uuid5

from domain.errors import ForbiddenError
from domain.tenancy.providers import ProviderKind, ProviderSettings
from domain.tenancy.roles import LEAST_ROLE, TenantRole, refusal

SLUG = re.compile("[a-z0-9]+(-[a-z0-9]+)*")
"""The form of a tenant's name in URLs and claims."""

SYSTEM_INITIATOR_ID = UUID(int=0)
_USER_NAMESPACE = UUID("6e1f6b5a-9d6c-4f43-8c5c-3f2f0d8f1a77")


# The version of the UUIDs of services. RFC 9562 leaves its contents to applications.
_SERVICE_VERSION = 8
# Where the four bits of a UUID's version are.
_VERSION_SHIFT = 76


class InitiatorKind(StrEnum):
    """Who started a run."""

    USER = "USER"
    SERVICE = "SERVICE"
    SYSTEM = "SYSTEM"


def user_id(issuer: str, subject: str, *, is_service: bool = False) -> UUID:
    """Return the id of an identity. It is derived, so it can never belong to another identity.

    The id of a person is a UUID of version 5, that of a service of version 8. So a service and a
    person are never the same user, even with the same subject, and each id tells its kind.
    """
    derived = uuid5(_USER_NAMESPACE, f"{issuer}\n{subject}")
    if not is_service:
        return derived
    without_version = derived.int & ~(0xF << _VERSION_SHIFT)
    return UUID(int=without_version | _SERVICE_VERSION << _VERSION_SHIFT)


def kind_of(id_: UUID) -> InitiatorKind:
    """Return whether an id is that of a person, a service or the system."""
    if id_ == SYSTEM_INITIATOR_ID:
        return InitiatorKind.SYSTEM
    return InitiatorKind.SERVICE if id_.version == _SERVICE_VERSION else InitiatorKind.USER


class Initiator(NamedTuple):
    """Who started a run, with the name at that time."""

    id: UUID
    name: str

    @property
    def kind(self) -> InitiatorKind:
        return kind_of(self.id)


SYSTEM = Initiator(SYSTEM_INITIATOR_ID, "System")


@dataclass(frozen=True, slots=True)
class Tenant:
    """A customer of the product; every run, policy and backup set belongs to exactly one."""

    id: UUID
    slug: str
    name: str
    retention_days: int
    provider: ProviderKind | None = None


@dataclass(frozen=True, slots=True)
class ConfiguredTenant:
    """A tenant as the operator configured it."""

    slug: str
    name: str
    provider: ProviderSettings | None


@dataclass(frozen=True, slots=True)
class User:
    """A user of the identity provider: a person or a service."""

    issuer: str
    subject: str
    name: str
    email: str | None = None
    is_service: bool = False

    @property
    def id(self) -> UUID:
        return user_id(self.issuer, self.subject, is_service=self.is_service)


@dataclass(frozen=True, slots=True)
class Member:
    """A user with their role in a tenant."""

    user: User
    role: TenantRole


@dataclass(frozen=True, slots=True)
class TenantAccess:
    """A user inside one tenant: proof that the membership was checked."""

    user_id: UUID
    user_name: str
    tenant: Tenant
    role: TenantRole

    @property
    def tenant_id(self) -> UUID:
        return self.tenant.id

    @property
    def initiator(self) -> Initiator:
        return Initiator(self.user_id, self.user_name)

    def require(self, permission: str) -> None:
        """Raise ForbiddenError with the required role unless the role has the permission."""
        self.require_role(LEAST_ROLE[permission])

    def require_role(self, least: TenantRole) -> None:
        """Raise ForbiddenError with the required role unless the role is `least` or above."""
        if reason := refusal(self.role, least):
            raise ForbiddenError(reason, tenant_id=self.tenant_id)


@dataclass(frozen=True, slots=True)
class Principal:
    """The signed-in user with all memberships at the moment of the read."""

    user_id: UUID
    name: str
    email: str | None
    accesses: Mapping[UUID, TenantAccess]

    def enter(self, tenant_id: UUID) -> TenantAccess:
        """Return the access to a tenant.

        Raises:
            ForbiddenError: the user is not a member, or the tenant does not exist (T2).
        """
        access = self.accesses.get(tenant_id)
        if access is None:
            raise ForbiddenError(tenant_id=tenant_id)
        return access
