"""All SQL about tenants, users and memberships."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from uuid import UUID, uuid4

from sqlalchemy import ARRAY, Text, any_, bindparam, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from domain.tables import app_user, membership, tenant, tenant_feed
from domain.tenancy.claims import ClaimedUser
from domain.tenancy.models import Member, Principal, Tenant, TenantAccess, TenantFolder, User
from domain.tenancy.roles import TenantRole
from domain.tenancy.session import AnyRow, InstallationSession, Session, TenantSession
from domain.tenancy.statements import Statement

# Lets row level security show these tenants to the transaction.
_SHOW_CLAIMED = Statement(text("SELECT set_config('opsrun.claimed_slugs', :slugs, true)"))


def _tenant(row: AnyRow) -> Tenant:
    return Tenant(row.tenant_id, row.slug, row.tenant_name, row.retention_days)


_PRINCIPAL = (
    app_user.c.name,
    app_user.c.email,
    tenant.c.id.label("tenant_id"),
    tenant.c.slug,
    tenant.c.name.label("tenant_name"),
    tenant.c.retention_days,
)


_MEMBERSHIPS = Statement(
    select(*_PRINCIPAL, membership.c.role)
    .select_from(
        app_user.outerjoin(membership, membership.c.user_id == app_user.c.id).outerjoin(
            tenant, tenant.c.id == membership.c.tenant_id
        )
    )
    .where(app_user.c.id == bindparam("user_id"))
    .order_by(tenant.c.name, tenant.c.id)
)


async def principal(session: Session, user_id: UUID) -> Principal | None:
    """Return the user with all memberships; None for an unknown user."""
    rows = await session.rows(_MEMBERSHIPS, {"user_id": user_id})
    return _principal(user_id, rows, lambda row: row.role)


_CLAIMED = Statement(
    select(*_PRINCIPAL)
    .select_from(
        app_user.outerjoin(tenant, tenant.c.slug == any_(bindparam("slugs", type_=ARRAY(Text))))
    )
    .where(app_user.c.id == bindparam("user_id"))
    .order_by(tenant.c.name, tenant.c.id)
)


async def claimed_principal(
    session: InstallationSession, user_id: UUID, roles: Mapping[str, TenantRole]
) -> Principal | None:
    """Return the user with these roles, by slug, in existing tenants; None for an unknown user."""
    await session.execute(_SHOW_CLAIMED, {"slugs": ",".join(roles)})
    rows = await session.rows(_CLAIMED, {"user_id": user_id, "slugs": [*roles]})
    return _principal(user_id, rows, lambda row: roles[row.slug])


def _principal(
    user_id: UUID, rows: Sequence[AnyRow], role_of: Callable[[AnyRow], str]
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


async def save_tenant(session: Session, *, slug: str, name: str, export_folder: str | None) -> UUID:
    """Add the tenant with its feed, or change the one with this slug; return its id."""
    adding = insert(tenant).values(id=uuid4(), slug=slug, name=name, export_folder=export_folder)
    tenant_id: UUID = await session.scalar(
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
    await session.execute(insert(tenant_feed).values(tenant_id=tenant_id).on_conflict_do_nothing())
    return tenant_id


async def save_user(session: InstallationSession, user: User) -> None:
    """Add the user, or update name and e-mail."""
    adding = insert(app_user).values(id=user.id, **asdict(user))
    await session.execute(
        adding.on_conflict_do_update(
            index_elements=[app_user.c.id],
            set_={"name": adding.excluded.name, "email": adding.excluded.email},
        )
    )


async def add_claimed_user(session: InstallationSession, user: ClaimedUser) -> bool:
    """Add the session's user; False if another transaction was faster."""
    new = User(user.issuer, user.subject, user.name or user.subject, user.email)
    adding = insert(app_user).values(id=new.id, **asdict(new))
    return await session.execute(adding.on_conflict_do_nothing()) > 0


async def update_claimed_user(session: InstallationSession, user: ClaimedUser) -> None:
    """Update the session's user with the token's name and e-mail, if any."""
    await session.execute(
        update(app_user)
        .where(app_user.c.id == user.id)
        .values(
            name=func.coalesce(user.name, app_user.c.name),
            email=func.coalesce(user.email, app_user.c.email),
        )
    )


async def save_membership(session: TenantSession, user_id: UUID, role: TenantRole) -> None:
    """Give the user this role in the tenant instead of any other."""
    adding = insert(membership).values(tenant_id=session.tenant_id, user_id=user_id, role=role)
    await session.execute(
        adding.on_conflict_do_update(
            index_elements=[membership.c.tenant_id, membership.c.user_id],
            set_={"role": adding.excluded.role},
        )
    )


async def remove_membership(session: TenantSession, user_id: UUID) -> bool:
    """Remove the user's membership; False if there was none."""
    removing = membership.delete().where(
        membership.c.tenant_id == session.tenant_id, membership.c.user_id == user_id
    )
    return await session.execute(removing) > 0


async def tenant_id_of(session: Session, slug: str) -> UUID | None:
    """Return the id of the tenant with this slug, if it exists."""
    return await session.scalar_or_none(select(tenant.c.id).where(tenant.c.slug == slug))


async def tenant_slugs(session: InstallationSession) -> dict[UUID, str]:
    """Return the slugs of all tenants by id."""
    return {row.id: row.slug for row in await session.rows(select(tenant.c.id, tenant.c.slug))}


async def tenant_folders(session: InstallationSession) -> Sequence[TenantFolder]:
    """Return all tenants by slug, each with its export folder."""
    rows = await session.rows(
        select(tenant.c.slug, tenant.c.name, tenant.c.export_folder).order_by(tenant.c.slug)
    )
    return [TenantFolder(row.slug, row.name, row.export_folder) for row in rows]


async def members(session: TenantSession) -> Sequence[Member]:
    """Return the tenant's members by subject."""
    user = app_user.c
    rows = await session.rows(
        select(user.issuer, user.subject, user.name, user.email, membership.c.role)
        .join(membership, membership.c.user_id == user.id)
        .where(membership.c.tenant_id == session.tenant_id)
        .order_by(user.subject, user.issuer)
    )
    return [
        Member(User(row.issuer, row.subject, row.name, row.email), TenantRole(row.role))
        for row in rows
    ]


async def set_retention(session: TenantSession, days: int) -> None:
    """Set for how many days finished runs are kept."""
    await session.execute(
        update(tenant).where(tenant.c.id == session.tenant_id).values(retention_days=days)
    )


async def export_folder(session: TenantSession) -> str | None:
    """Return the tenant's export folder, if the operator set one."""
    return await session.scalar_or_none(
        select(tenant.c.export_folder).where(tenant.c.id == session.tenant_id)
    )


async def export_folders(session: InstallationSession) -> Sequence[tuple[UUID, str]]:
    """Return the id and the export folder of each tenant that has one."""
    rows = await session.rows(
        select(tenant.c.id, tenant.c.export_folder).where(tenant.c.export_folder.is_not(None))
    )
    return [(row.id, row.export_folder) for row in rows]
