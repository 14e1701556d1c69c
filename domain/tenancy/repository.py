"""All SQL about tenants, users and memberships."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Integer,
    Select,
    Text,
    Uuid,
    any_,
    bindparam,
    case,
    delete,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from domain.tables import app_user, membership, tenant, tenant_feed
from domain.tenancy.claims import ClaimedUser
from domain.tenancy.models import (
    ConfiguredTenant,
    InitiatorKind,
    Member,
    Principal,
    Tenant,
    TenantAccess,
    User,
    kind_of,
)
from domain.tenancy.providers import ProviderKind, ProviderSettings, columns_of, settings_in
from domain.tenancy.roles import TenantRole
from domain.tenancy.session import AnyRow, InstallationSession, Session, TenantSession
from domain.tenancy.statements import TENANT, Statement, any_of

# Lets row level security show these tenants to the transaction.
_SHOW_CLAIMED = Statement(text("SELECT set_config('opsrun.claimed_slugs', :slugs, true)"))


def _tenant(row: AnyRow) -> Tenant:
    kind = row.provider and ProviderKind(row.provider)
    return Tenant(row.tenant_id, row.slug, row.tenant_name, row.retention_days, kind)


_PRINCIPAL = (
    app_user.c.name,
    app_user.c.email,
    tenant.c.id.label("tenant_id"),
    tenant.c.slug,
    tenant.c.name.label("tenant_name"),
    tenant.c.retention_days,
    case(
        (tenant.c.graph.is_not(None), ProviderKind.GRAPH.value),
        (tenant.c.export_folder.is_not(None), ProviderKind.DIRECTORY.value),
    ).label("provider"),
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


_ACCESSES = Statement(
    select(*_PRINCIPAL, membership.c.user_id, membership.c.role)
    .join_from(membership, app_user, app_user.c.id == membership.c.user_id)
    .join(tenant, tenant.c.id == membership.c.tenant_id)
    .where(membership.c.tenant_id == TENANT, any_of(membership.c.user_id, "user_ids"))
)


async def accesses(session: TenantSession, user_ids: Sequence[UUID]) -> dict[UUID, TenantAccess]:
    """Return the accesses of those users who are members of the tenant."""
    rows = await session.rows(_ACCESSES, {"user_ids": user_ids})
    return {
        row.user_id: TenantAccess(row.user_id, row.name, _tenant(row), TenantRole(row.role))
        for row in rows
    }


_PROVIDER = (tenant.c.export_folder, tenant.c.graph)
_saving = insert(tenant).values(
    {
        column.name: bindparam(column.name, type_=column.type)
        for column in (tenant.c.id, tenant.c.slug, tenant.c.name, *_PROVIDER)
    }
)
_names_provider = or_(*(_saving.excluded[column.name].is_not(None) for column in _PROVIDER))
_SAVE_TENANT = Statement(
    _saving.on_conflict_do_update(
        index_elements=[tenant.c.slug],
        set_={
            "name": _saving.excluded.name,
            **{
                column.name: case((_names_provider, _saving.excluded[column.name]), else_=column)
                for column in _PROVIDER
            },
        },
    ).returning(tenant.c.id)
)
_ADD_FEED = Statement(
    insert(tenant_feed).values(tenant_id=bindparam("tenant_id")).on_conflict_do_nothing()
)


async def save_tenant(
    session: Session, *, slug: str, name: str, provider: ProviderSettings | None
) -> UUID:
    """Add the tenant with its feed, or change the one with this slug; return its id.

    Without a provider, an existing tenant keeps the one that it has.
    """
    values = {"id": uuid4(), "slug": slug, "name": name, **columns_of(provider)}
    tenant_id: UUID = await session.scalar(_SAVE_TENANT, values)
    await session.execute(_ADD_FEED, {"tenant_id": tenant_id})
    return tenant_id


# A parameter for each column.
_adding_user = insert(app_user)
_SAVE_USER = Statement(
    _adding_user.on_conflict_do_update(
        index_elements=[app_user.c.id],
        set_={"name": _adding_user.excluded.name, "email": _adding_user.excluded.email},
    )
)
_ADD_USER = Statement(_adding_user.on_conflict_do_nothing())


async def save_user(session: InstallationSession, user: User) -> None:
    """Add the user, or update name and e-mail."""
    await session.execute(_SAVE_USER, {"id": user.id, **asdict(user)})


async def add_claimed_user(session: InstallationSession, user: ClaimedUser) -> bool:
    """Add the session's user; False if another transaction was faster."""
    new = User(user.issuer, user.subject, user.name or user.subject, user.email, user.is_service)
    return await session.execute(_ADD_USER, {"id": new.id, **asdict(new)}) > 0


_UPDATE_CLAIMED = Statement(
    update(app_user)
    .where(app_user.c.id == bindparam("user_id"))
    .values(
        name=func.coalesce(bindparam("claimed_name", type_=Text()), app_user.c.name),
        email=func.coalesce(bindparam("claimed_email", type_=Text()), app_user.c.email),
    )
)


async def update_claimed_user(session: InstallationSession, user: ClaimedUser) -> None:
    """Update the session's user with the token's name and e-mail, if any."""
    await session.execute(
        _UPDATE_CLAIMED,
        {"user_id": user.id, "claimed_name": user.name, "claimed_email": user.email},
    )


_giving = insert(membership).values(
    tenant_id=TENANT, user_id=bindparam("user_id"), role=bindparam("role")
)
_SAVE_MEMBERSHIP = Statement(
    _giving.on_conflict_do_update(
        index_elements=[membership.c.tenant_id, membership.c.user_id],
        set_={"role": _giving.excluded.role},
    )
)
_REMOVE_MEMBERSHIP = Statement(
    delete(membership).where(
        membership.c.tenant_id == TENANT, membership.c.user_id == bindparam("user_id")
    )
)


async def save_membership(session: TenantSession, user_id: UUID, role: TenantRole) -> None:
    """Give the user this role in the tenant instead of any other."""
    await session.execute(_SAVE_MEMBERSHIP, {"user_id": user_id, "role": role})


async def remove_membership(session: TenantSession, user_id: UUID) -> bool:
    """Remove the user's membership; False if there was none."""
    return await session.execute(_REMOVE_MEMBERSHIP, {"user_id": user_id}) > 0


_ID_OF = Statement(select(tenant.c.id).where(tenant.c.slug == bindparam("slug")))
_SLUGS = Statement(select(tenant.c.id, tenant.c.slug))
_CONFIGURED = Statement(select(tenant.c.slug, tenant.c.name, *_PROVIDER).order_by(tenant.c.slug))


async def tenant_id_of(session: Session, slug: str) -> UUID | None:
    """Return the id of the tenant with this slug, if it exists."""
    return await session.scalar_or_none(_ID_OF, {"slug": slug})


async def tenant_slugs(session: InstallationSession) -> dict[UUID, str]:
    """Return the slugs of all tenants by id."""
    return {row.id: row.slug for row in await session.rows(_SLUGS)}


async def configured_tenants(session: InstallationSession) -> Sequence[ConfiguredTenant]:
    """Return all tenants by slug, each with its provider."""
    rows = await session.rows(_CONFIGURED)
    return [
        ConfiguredTenant(row.slug, row.name, settings_in(row.export_folder, row.graph))
        for row in rows
    ]


_MEMBERS = Statement(
    select(app_user, membership.c.role)
    .join(membership, membership.c.user_id == app_user.c.id)
    .where(membership.c.tenant_id == TENANT)
    .order_by(app_user.c.subject, app_user.c.issuer)
)


async def members(session: TenantSession) -> Sequence[Member]:
    """Return the tenant's members by subject."""
    return [
        Member(
            User(
                *(row.issuer, row.subject, row.name, row.email),
                is_service=kind_of(row.id) is InitiatorKind.SERVICE,
            ),
            TenantRole(row.role),
        )
        for row in await session.rows(_MEMBERS)
    ]


_SET_RETENTION = Statement(
    update(tenant).where(tenant.c.id == TENANT).values(retention_days=bindparam("days"))
)
_PROVIDER_OF_TENANT = Statement(select(*_PROVIDER).where(tenant.c.id == TENANT))


def next_tenants(*columns: ColumnElement[Any]) -> Select[Any]:
    """Select columns of the next `limit` tenants `after` an id, in the order of ids."""
    after, limit = bindparam("after", type_=Uuid()), bindparam("limit", type_=Integer())
    return select(*columns).where(tenant.c.id > after).order_by(tenant.c.id).limit(limit)


_PROVIDERS = Statement(next_tenants(tenant.c.id, *_PROVIDER))


async def set_retention(session: TenantSession, days: int) -> None:
    """Set for how many days finished runs are kept."""
    await session.execute(_SET_RETENTION, {"days": days})


async def provider(session: TenantSession) -> ProviderSettings | None:
    """Return the settings of the tenant's provider, if the operator set one."""
    row = await session.one_or_none(_PROVIDER_OF_TENANT)
    return row and settings_in(row.export_folder, row.graph)


async def providers(
    session: InstallationSession, *, after: UUID, limit: int
) -> Sequence[tuple[UUID, ProviderSettings | None]]:
    """Return the id and the provider's settings of the next tenants, in the order of ids."""
    rows = await session.rows(_PROVIDERS, {"after": after, "limit": limit})
    return [(row.id, settings_in(row.export_folder, row.graph)) for row in rows]
