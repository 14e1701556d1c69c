"""All SQL about tenants, users and memberships."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.tables import app_user, membership, tenant, tenant_feed
from domain.tenancy.claims import ClaimedUser
from domain.tenancy.models import Principal, Tenant, TenantAccess
from domain.tenancy.roles import TenantRole


@dataclass(frozen=True, slots=True)
class TenantFolder:
    """A tenant as the operator set it up."""

    slug: str
    name: str
    export_folder: str | None


# Lets the transaction see these tenants; the wall needs to know, as it does the tenant's id.
_SHOW_CLAIMED = text("SELECT set_config('opsrun.claimed_slugs', :slugs, true)")


def _tenant(row: Row[*tuple[object, ...]]) -> Tenant:
    return Tenant(row.tenant_id, row.slug, row.tenant_name, row.retention_days)


_PRINCIPAL = (
    app_user.c.name,
    app_user.c.email,
    tenant.c.id.label("tenant_id"),
    tenant.c.slug,
    tenant.c.name.label("tenant_name"),
    tenant.c.retention_days,
)


async def principal(connection: AsyncConnection, user_id: UUID) -> Principal | None:
    """Return the user with every membership; None for a user nobody ever added."""
    rows = await connection.execute(
        select(*_PRINCIPAL, membership.c.role)
        .select_from(
            app_user.outerjoin(membership, membership.c.user_id == app_user.c.id).outerjoin(
                tenant, tenant.c.id == membership.c.tenant_id
            )
        )
        .where(app_user.c.id == user_id)
        .order_by(tenant.c.name, tenant.c.id)
    )
    return _principal(user_id, rows.all(), lambda row: row.role)


async def claimed_principal(
    connection: AsyncConnection, user_id: UUID, roles: Mapping[str, TenantRole]
) -> Principal | None:
    """Return the user with these roles, by slug, in tenants that exist; None for a new user."""
    await connection.execute(_SHOW_CLAIMED, {"slugs": ",".join(roles)})
    rows = await connection.execute(
        select(*_PRINCIPAL)
        .select_from(app_user.outerjoin(tenant, tenant.c.slug.in_([*roles])))
        .where(app_user.c.id == user_id)
        .order_by(tenant.c.name, tenant.c.id)
    )
    return _principal(user_id, rows.all(), lambda row: roles[row.slug])


def _principal(
    user_id: UUID,
    rows: Sequence[Row[*tuple[Any, ...]]],
    role_of: Callable[[Row[*tuple[Any, ...]]], str],
) -> Principal | None:
    if not rows:
        return None
    return Principal(
        user_id,
        rows[0].name,
        rows[0].email,
        {
            row.tenant_id: TenantAccess(user_id, row.name, _tenant(row), TenantRole(role_of(row)))
            for row in rows
            if row.tenant_id is not None
        },
    )


async def save_tenant(
    connection: AsyncConnection,
    *,
    slug: str,
    name: str,
    export_folder: str | None,
) -> UUID:
    """Add the tenant with its feed, or change the one with this slug; return its id."""
    adding = insert(tenant).values(id=uuid4(), slug=slug, name=name, export_folder=export_folder)
    tenant_id: UUID = (
        await connection.execute(
            adding.on_conflict_do_update(
                index_elements=[tenant.c.slug],
                set_={
                    "name": adding.excluded.name,
                    "export_folder": func.coalesce(
                        adding.excluded.export_folder, tenant.c.export_folder
                    ),
                },
            ).returning(tenant.c.id)
        )
    ).scalar_one()
    await connection.execute(
        insert(tenant_feed).values(tenant_id=tenant_id).on_conflict_do_nothing()
    )
    return tenant_id


async def save_user(
    connection: AsyncConnection,
    *,
    user_id: UUID,
    issuer: str,
    subject: str,
    name: str,
    email: str | None,
) -> None:
    """Add the user or refresh name and e-mail."""
    adding = insert(app_user).values(
        id=user_id, issuer=issuer, subject=subject, name=name, email=email
    )
    await connection.execute(
        adding.on_conflict_do_update(
            index_elements=[app_user.c.id],
            set_={"name": adding.excluded.name, "email": adding.excluded.email},
        )
    )


async def add_claimed_user(connection: AsyncConnection, user: ClaimedUser) -> bool:
    """Add the user of this session unless somebody just did; False then."""
    added = await connection.execute(
        insert(app_user)
        .values(
            id=user.id,
            issuer=user.issuer,
            subject=user.subject,
            name=user.name or user.subject,
            email=user.email,
        )
        .on_conflict_do_nothing()
    )
    return added.rowcount > 0


async def rename_claimed_user(connection: AsyncConnection, user: ClaimedUser) -> None:
    """Take over what the token tells of the user of this session, and only that."""
    await connection.execute(
        update(app_user)
        .where(app_user.c.id == user.id)
        .values(
            name=func.coalesce(user.name, app_user.c.name),
            email=func.coalesce(user.email, app_user.c.email),
        )
    )


async def save_membership(
    connection: AsyncConnection, tenant_id: UUID, user_id: UUID, role: TenantRole
) -> None:
    """Give the user this role in the tenant, whatever it was before."""
    adding = insert(membership).values(tenant_id=tenant_id, user_id=user_id, role=role)
    await connection.execute(
        adding.on_conflict_do_update(
            index_elements=[membership.c.tenant_id, membership.c.user_id],
            set_={"role": adding.excluded.role},
        )
    )


async def remove_membership(connection: AsyncConnection, tenant_id: UUID, user_id: UUID) -> bool:
    """Take the role away; False when there was none."""
    removed = await connection.execute(
        membership.delete().where(
            membership.c.tenant_id == tenant_id, membership.c.user_id == user_id
        )
    )
    return removed.rowcount > 0


async def tenant_id_of(connection: AsyncConnection, slug: str) -> UUID | None:
    """Return the id of the tenant with this slug."""
    return (
        await connection.execute(select(tenant.c.id).where(tenant.c.slug == slug))
    ).scalar_one_or_none()


async def tenant_slugs(connection: AsyncConnection) -> dict[UUID, str]:
    """Return every tenant's slug."""
    rows = await connection.execute(select(tenant.c.id, tenant.c.slug))
    return {row.id: row.slug for row in rows}


async def tenant_folders(connection: AsyncConnection) -> Sequence[TenantFolder]:
    """Return every tenant by slug, with its export folder."""
    rows = await connection.execute(
        select(tenant.c.slug, tenant.c.name, tenant.c.export_folder).order_by(tenant.c.slug)
    )
    return [TenantFolder(row.slug, row.name, row.export_folder) for row in rows]


async def members(
    connection: AsyncConnection, tenant_id: UUID
) -> Sequence[Row[str, str, str, str | None, str]]:
    """Return issuer, subject, name, email and role of the tenant's members, by subject."""
    user = app_user.c
    rows = await connection.execute(
        select(user.issuer, user.subject, user.name, user.email, membership.c.role)
        .join(membership, membership.c.user_id == user.id)
        .where(membership.c.tenant_id == tenant_id)
        .order_by(user.subject, user.issuer)
    )
    return rows.all()


async def set_retention(connection: AsyncConnection, tenant_id: UUID, days: int) -> None:
    """Set for how many days finished runs are kept."""
    await connection.execute(
        update(tenant).where(tenant.c.id == tenant_id).values(retention_days=days)
    )


async def export_folder(connection: AsyncConnection, tenant_id: UUID) -> str | None:
    """Return the folder that the operator set for the tenant's exports."""
    return (
        await connection.execute(select(tenant.c.export_folder).where(tenant.c.id == tenant_id))
    ).scalar_one_or_none()


async def export_folders(connection: AsyncConnection) -> Sequence[tuple[UUID, str]]:
    """Return every tenant that has an export folder, with it."""
    rows = await connection.execute(
        select(tenant.c.id, tenant.c.export_folder).where(tenant.c.export_folder.is_not(None))
    )
    return [(row.id, row.export_folder) for row in rows]
