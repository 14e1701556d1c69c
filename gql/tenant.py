"""The viewer and their tenants. Every subject contributes fields to a tenant."""

from typing import Any

import strawberry
from strawberry import field

from domain.tenancy.models import InitiatorKind, Principal, TenantAccess, kind_of
from domain.tenancy.providers import ProviderKind
from domain.tenancy.roles import TenantRole
from gql.backups.queries import TenantBackups
from gql.drift.queries import TenantDrift
from gql.groups.queries import TenantGroups
from gql.ids import GlobalId, Node
from gql.inventory.queries import TenantInventory
from gql.notifications.queries import TenantNotifications
from gql.parts import added_types
from gql.runs.queries import TenantRuns


@strawberry.type
class TenantFacts(Node):
    @field(description="The opaque, globally unique id.")  # type: ignore[misc]
    def id(self, root: strawberry.Parent[TenantAccess]) -> strawberry.ID:
        return GlobalId("Tenant", root.tenant_id).encode()

    @field(description="A short, unique name for use in URLs.")
    def slug(self, root: strawberry.Parent[TenantAccess]) -> str:
        return root.tenant.slug

    @field(description="The display name.")
    def name(self, root: strawberry.Parent[TenantAccess]) -> str:
        return root.tenant.name

    @field(description="The caller's role in this tenant.")
    def viewer_role(self, root: strawberry.Parent[TenantAccess]) -> TenantRole:
        return root.role

    @field(description="Where its policies are read from; null if the operator has not set that.")
    def provider(self, root: strawberry.Parent[TenantAccess]) -> ProviderKind | None:
        return root.tenant.provider

    @field(description="The number of days for which finished runs are kept.")
    def retention_days(self, root: strawberry.Parent[TenantAccess]) -> int:
        return root.tenant.retention_days


_OWN = (
    TenantFacts,
    *(TenantRuns, TenantInventory, TenantDrift, TenantGroups, TenantBackups, TenantNotifications),
)


@strawberry.type(
    description="A customer of the product, as the caller sees it. Every other object belongs to"
    " one tenant."
)
class Tenant(*_OWN, *added_types("Tenant", *_OWN)):  # type: ignore[misc]
    """The root value is a TenantAccess, which proves that the membership was checked."""

    @classmethod
    def is_type_of(cls, value: Any, _info: Any) -> bool:
        """Return whether GraphQL should resolve the value as a tenant."""
        return isinstance(value, TenantAccess)


@strawberry.type(description="The caller's membership in a tenant.")
class Membership:
    tenant: Tenant = field(description="The tenant.")
    role: TenantRole = field(description="The caller's role in the tenant.")


@strawberry.type(description="The caller.")
class Viewer:
    kind: InitiatorKind = field(description="Whether the caller is a person or a service.")
    name: str = field(description="The display name.")
    email: str | None = field(description="The e-mail address, if known.")
    memberships: list[Membership] = field(
        description="The caller's memberships, sorted by the tenant's name. A caller without one"
        " cannot read anything."
    )

    @classmethod
    def of(cls, principal: Principal) -> "Viewer":
        """Return the caller as they see themselves."""
        return cls(
            kind=kind_of(principal.user_id),
            name=principal.name,
            email=principal.email,
            memberships=[
                Membership(tenant=access, role=access.role)  # type: ignore[arg-type]
                for access in principal.accesses.values()
            ],
        )
