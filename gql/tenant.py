"""The viewer and their tenants. Every subject contributes fields to a tenant."""

from typing import Any

import strawberry

from domain.tenancy.models import Principal, TenantAccess
from domain.tenancy.roles import TenantRole
from gql.backups.queries import TenantBackups
from gql.drift.queries import TenantDrift
from gql.ids import GlobalId, Node
from gql.inventory.queries import TenantInventory
from gql.notifications.queries import TenantNotifications
from gql.runs.queries import TenantRuns


@strawberry.type(description="One customer, as the caller sees it: everything belongs to one.")
class Tenant(Node, TenantRuns, TenantInventory, TenantDrift, TenantBackups, TenantNotifications):
    """The root value is a TenantAccess, which proves that the membership was checked."""

    @classmethod
    def is_type_of(cls, value: Any, _info: Any) -> bool:
        """Return whether GraphQL should resolve the value as a tenant."""
        return isinstance(value, TenantAccess)

    @strawberry.field(description="The opaque, globally unique id.")  # type: ignore[misc]
    def id(self, root: strawberry.Parent[TenantAccess]) -> strawberry.ID:
        return GlobalId("Tenant", root.tenant_id).encode()

    @strawberry.field(description="A short, unique name for URLs.")
    def slug(self, root: strawberry.Parent[TenantAccess]) -> str:
        return root.tenant.slug

    @strawberry.field(description="The display name.")
    def name(self, root: strawberry.Parent[TenantAccess]) -> str:
        return root.tenant.name

    @strawberry.field(description="The caller's role here.")
    def viewer_role(self, root: strawberry.Parent[TenantAccess]) -> TenantRole:
        return root.role

    @strawberry.field(description="For how many days finished runs are kept.")
    def retention_days(self, root: strawberry.Parent[TenantAccess]) -> int:
        return root.tenant.retention_days


@strawberry.type(description="A tenant that the caller belongs to.")
class Membership:
    tenant: Tenant = strawberry.field(description="The tenant.")
    role: TenantRole = strawberry.field(description="The caller's role in it.")


@strawberry.type(description="Who is calling.")
class Viewer:
    name: str = strawberry.field(description="The display name.")
    email: str | None = strawberry.field(description="The e-mail address, if known.")
    memberships: list[Membership] = strawberry.field(
        description="The caller's tenants by name; at least one role is needed to see anything."
    )

    @classmethod
    def of(cls, principal: Principal) -> "Viewer":
        """Return the caller as they see themselves."""
        return cls(
            name=principal.name,
            email=principal.email,
            memberships=[
                Membership(tenant=access, role=access.role)  # type: ignore[arg-type]
                for access in principal.accesses.values()
            ],
        )
